//! A device's journal, as an image of its flash.
//!
//! ```text
//! 46 4c 68 32 …   FLh2, the head       at twice the page size: 46 4c 70 32, FLp2, a page's header
//! ```
//!
//! Invariant: what is inspected is a copy in memory; what opening puts right stays there.

use firmlog_agent::{Flash, FlashError, Journal};
use serde_json::json;

use super::{Found, cose};

const KIND: &str = "device journal";

/// Explains an image of pages and words of a usual size.
pub(crate) fn explain(bytes: &[u8]) -> Option<Found> {
    let (page, word) = geometry(bytes)?;
    let image = || Image { bytes: bytes.to_vec(), page };
    Some(match (page, word) {
        (1024, 4) => opened::<1024, 4>(image()),
        (1024, 8) => opened::<1024, 8>(image()),
        (2048, 8) => opened::<2048, 8>(image()),
        (4096, 4) => opened::<4096, 4>(image()),
        (4096, 8) => opened::<4096, 8>(image()),
        (4096, 32) => opened::<4096, 32>(image()),
        _ => Found::new(KIND, format!("pages of {page} bytes, words of {word}: not read here")),
    })
}

/// Bytes of a page and of a word, as the head says; as a page's header does where that is damaged.
fn geometry(bytes: &[u8]) -> Option<(usize, usize)> {
    if bytes.starts_with(b"FLh2")
        && let Some(flash) = bytes.get(4..8).and_then(|it| it.try_into().ok())
    {
        let flash = u32::from_be_bytes(flash);
        return Some((1 << (flash >> 3 & 31), 1 << (flash & 7)));
    }
    [1024, 2048, 4096, 8192, 16384].into_iter().find_map(|page: usize| {
        let header = bytes.chunks_exact(page).skip(2).find(|page| page.starts_with(b"FLp2"))?;
        (header[4..8] == (page as u32).to_be_bytes()).then(|| (page, header[44].into()))
    })
}

fn opened<const PAGE: usize, const WORD: usize>(image: Image) -> Found {
    let found = |summary: String| Found::new(KIND, summary);
    let (mut journal, report) = match Journal::<_, PAGE, WORD>::open(image) {
        Ok(opened) => opened,
        Err(e) => {
            return found("what a device said, durable".into()).broken(format!("ALTERED: {e}"));
        }
    };
    let (oldest, covered) = (journal.oldest().unwrap_or_default(), journal.covered().next);
    let next = journal.next().map_or(covered, |(next, _)| next);
    let (mut text, mut statements) = (String::new(), 0);
    let mut buffer = [0; firmlog_agent::journal::ENTRY_MAX];
    // An altered head may claim any number: no more is looked for than could be there.
    let most = (journal.flash().bytes.len() / 64) as u64;
    for seq in oldest..next.min(oldest.saturating_add(most)) {
        let Ok(Some(len)) = journal.statement(seq, &mut buffer) else { continue };
        statements += 1;
        let mark = if seq < covered { "in the log" } else { "not yet" };
        let line = cose::one_line(&buffer[..len]);
        text.push_str(&format!("seq {seq:>4}  {len:>4} bytes  {mark:<10}  {line}\n"));
    }
    let findings: Vec<String> = report.findings().map(|it| format!("{it:?}")).collect();
    let json = json!({"statements": statements, "oldest": oldest.to_string(),
        "next": next.to_string(), "proven_below": covered.to_string(), "page_bytes": PAGE,
        "word_bytes": WORD, "findings": findings});
    let found =
        found(format!("{statements} statements, {covered} in the log")).text(text).json(json);
    match findings.first() {
        Some(first) => found.broken(format!("ALTERED, or power was cut in a write: {first}")),
        None => found,
    }
}

/// Flash in memory.
struct Image {
    bytes: Vec<u8>,
    page: usize,
}

impl Image {
    fn slice(&mut self, at: u32, len: usize) -> Result<&mut [u8], FlashError> {
        let at = at as usize;
        self.bytes.get_mut(at..at + len).ok_or(FlashError::Bounds)
    }
}

impl Flash for Image {
    fn pages(&self) -> u32 {
        u32::try_from(self.bytes.len() / self.page).unwrap_or(u32::MAX)
    }

    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), FlashError> {
        out.copy_from_slice(self.slice(at, out.len())?);
        Ok(())
    }

    fn program(&mut self, at: u32, words: &[u8]) -> Result<(), FlashError> {
        self.slice(at, words.len())?.copy_from_slice(words);
        Ok(())
    }

    fn erase(&mut self, page: u32) -> Result<(), FlashError> {
        let len = self.page;
        self.slice(page.saturating_mul(len as u32), len)?.fill(0xff);
        Ok(())
    }
}
