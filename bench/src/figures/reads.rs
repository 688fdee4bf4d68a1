//! Reads of full tiles and entry bundles over HTTP.

use super::figure::median;
use super::report::Report;
use super::stage::Stage;
use super::targets::TILE_READS;
use crate::rig::log::{Kind, ServedLog};
use firmlog_tlog::tile::{TileId, TilePath, WIDTH};

const CONNECTIONS: usize = 64;
/// Entries put in before anything is read.
const SECONDS_OF_BATCHES: f64 = 1.0;

/// Measures reads of random full tiles, half of them hashes, half entries.
///
/// # Errors
/// If a server cannot be started, or answers with failures.
pub(super) fn measure(stage: &Stage, report: &mut Report) -> anyhow::Result<()> {
    let log = ServedLog::start(&stage.firmlog, &stage.dir, Kind::Any)?;
    let echo = stage.start_echo()?;
    let mut load = stage.load(&log.server, 8);
    load.seconds = SECONDS_OF_BATCHES;
    stage.loader.run("batch", &load, &["--dup-chance", "0"])?;
    let tiles = log.head()?.size.0 / u64::from(WIDTH);
    let file = log.place.dir().with_file_name("paths");
    std::fs::write(&file, paths(tiles))?;
    let (mut reads, mut echoes) = (vec![], vec![]);
    for _ in 0..stage.rounds() {
        let read = stage.loader.read(&stage.load(&log.server, CONNECTIONS), &file)?;
        let echo = stage.loader.run("add", &stage.load(&echo, CONNECTIONS), &[])?;
        reads.push(read.requests_per_s);
        echoes.push(echo.requests_per_s);
    }
    let figure = TILE_READS
        .measured(median(&reads), "bare echo of the same HTTP stack, /s", median(&echoes))
        .with("connections", CONNECTIONS)
        .with("full_tiles", tiles)
        .with("rounds", stage.rounds())
        .with("seconds", stage.seconds());
    report.add(&TILE_READS, figure);
    Ok(())
}

fn paths(tiles: u64) -> String {
    let mut text = String::new();
    for index in 0..tiles {
        let hashes = TilePath::Hashes(TileId { level: 0, index, width: WIDTH });
        let entries = TilePath::Entries { index, width: WIDTH };
        text.push_str(&format!("/{hashes}\n/{entries}\n"));
    }
    text
}
