//! Configuration: any file, any flag. What is accepted can be shown and, given again as flags,
//! comes out the same.

#![no_main]
#![expect(dead_code, unused_imports, reason = "the server's module is borrowed whole")]

#[path = "../../crates/server/src/config/mod.rs"]
mod config;

use std::path::PathBuf;
use std::sync::LazyLock;

use config::Loaded;
use libfuzzer_sys::fuzz_target;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    std::env::temp_dir().join(format!("firmlog-fuzz-{}.toml", std::process::id()))
});

fuzz_target!(|input: (&str, &str)| {
    let (file, flag) = input;
    std::fs::write(&*FILE, file).expect("a temporary file can be written");
    check(Loaded::read(Some(&FILE), [], &[]));
    if let Some((key, value)) = flag.split_once('=') {
        check(Loaded::read(None, [], &[(key.into(), value.into())]));
    }
});

fn check<E>(loaded: Result<Loaded, E>) {
    let Ok(loaded) = loaded else { return };
    let shown = loaded.show();
    let flags: Vec<_> = shown.iter().map(|s| (s.key.name.to_string(), s.value.clone())).collect();
    let Ok(again) = Loaded::read(None, [], &flags) else { panic!("{flags:?} was shown, not read") };
    let values = again.show();
    assert!(shown.iter().map(|s| &s.value).eq(values.iter().map(|s| &s.value)));
}
