use super::*;
use crate::fault::{Fault, FaultDisk, FaultKind, Op};
use firmlog_tlog::tile::encode_entry;

const DIR: &str = "/log/wal";
const BYTES: u64 = 16 * 1024;

fn origin() -> Hash {
    crate::record::origin_hash("test")
}

fn append(wal: &mut Wal, next: &mut u64, count: u64, size: usize) -> Result<(), ReserveError> {
    wal.reserve(count as usize * (size + 2), *next)?;
    let buf = wal.begin();
    for i in 0..count {
        encode_entry(buf, &vec![(*next + i) as u8; size]).unwrap();
    }
    wal.commit(*next, count as u32, 1000 + *next).map_err(ReserveError::Failed)?;
    *next += count;
    Ok(())
}

fn reopen(disk: &FaultDisk) -> Result<(Wal, Replay), LogError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut next = None;
    Wal::open(&disk, Path::new(DIR), BYTES, &origin(), |batch| {
        assert_eq!(*next.get_or_insert(batch.first), batch.first);
        assert_eq!(batch.received_ms, 1000 + batch.first);
        let width = batch.count as u16;
        let bundle = firmlog_tlog::tile::Bundle::parse(batch.entries, width).unwrap();
        for (i, entry) in bundle.entries().enumerate() {
            assert!(entry.iter().all(|b| *b == (batch.first + i as u64) as u8));
        }
        next = Some(batch.first + u64::from(batch.count));
        Ok(())
    })
}

fn create(disk: &FaultDisk) -> Wal {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Wal::create(&disk, Path::new(DIR), BYTES, &origin(), 0).unwrap()
}

#[test]
fn reads_back_over_segments_and_recycles() {
    let disk = FaultDisk::new();
    let mut wal = create(&disk);
    let mut next = 0;
    for round in 0..60 {
        append(&mut wal, &mut next, 1 + round % 40, 90).unwrap();
        wal.segments().recycle(next / 256 * 256).unwrap();
    }
    let (_, replay) = reopen(&disk.power_cut(1)).unwrap();
    assert_eq!(replay.next, next);
    assert!(replay.first > 0 && !replay.torn);
}

#[test]
fn a_power_cut_loses_nothing_committed() {
    for seed in 0..300 {
        let disk = FaultDisk::new();
        let mut wal = create(&disk);
        let mut next = 0;
        let nth = 3 + seed % 37;
        disk.inject(Fault {
            op: Op::Any,
            path: String::new(),
            nth,
            times: 1,
            kind: FaultKind::PowerCut,
        });
        while append(&mut wal, &mut next, 1 + seed % 30, 100).is_ok() {}
        let survivor = disk.power_cut(seed);
        let (mut wal, replay) = reopen(&survivor).unwrap();
        assert!(replay.next == next || replay.next == next + 1 + seed % 30, "seed {seed}");
        let mut next = replay.next;
        append(&mut wal, &mut next, 5, 10).unwrap();
        assert_eq!(reopen(&survivor.power_cut(seed)).unwrap().1.next, next);
    }
}

#[test]
fn damage_before_the_end_is_named() {
    let disk = FaultDisk::new();
    let mut wal = create(&disk);
    let mut next = 0;
    for _ in 0..10 {
        append(&mut wal, &mut next, 3, 50).unwrap();
    }
    let path = Path::new("/log/wal/00000000000000000000.seg");
    assert!(disk.flip_bit(path, HEADER as usize + 100, 3));
    let error = reopen(&disk).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("00000000000000000000.seg at byte 4096"), "{error}");
    assert!(disk.flip_bit(path, HEADER as usize + 100, 3));
    assert!(reopen(&disk).is_ok());
    assert!(disk.flip_bit(path, 20, 0));
    assert!(reopen(&disk).is_err());
}

#[test]
fn a_full_disk_is_noticed_before_anything_is_written() {
    let disk = FaultDisk::new();
    let mut wal = create(&disk);
    let mut next = 0;
    let full = Fault {
        op: Op::Preallocate,
        path: String::new(),
        nth: 0,
        times: 2,
        kind: FaultKind::NoSpace,
    };
    disk.inject(full);
    let mut refused = 0;
    for _ in 0..12 {
        refused += u32::from(append(&mut wal, &mut next, 10, 200).is_err());
    }
    assert_eq!((refused, next), (2, 100));
    assert_eq!(reopen(&disk).unwrap().1.next, 100);
}
