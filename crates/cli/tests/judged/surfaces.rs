//! What each surface says of a release, in words, JSON and exit code, compared with [`Says`].

use firmlog_verify::bundle::Bundle;
use serde_json::Value;

use crate::case::{Case, Release, hex_of, text};
use crate::device::Pump;
use crate::says::{MAY_BE_USED, Says};
use crate::world::{command, run};

impl Case {
    /// All that is asked about a release.
    pub(crate) fn everywhere(&self, pump: &Pump, release: &Release, says: &Says<'_>) {
        self.of_release(release, says);
        self.of_file(pump, release, says);
    }

    /// Server and program, asked whether this release may be used.
    pub(crate) fn of_release(&self, release: &Release, says: &Says<'_>) {
        let bundle = ["bundle", "release", &release.leaf, "--out", "release.fwb"];
        let (code, made) = self.world.at_log(&bundle);
        assert_eq!(code, if says.exit == 3 { 0 } else { says.exit }, "{made}");
        self.check_report("bundle", &made, says);
        for ask in
            [&["release", "show", &release.leaf][..], &["release", "show", &release.leaf, "--scan"]]
        {
            let (code, told) = self.world.at_log(ask);
            assert_eq!(code, says.exit, "{told}");
            self.check_report(&ask.join(" "), &told, says);
        }
        let verify = ["verify", "release.fwb", "--release", &release.leaf];
        self.check_offline(&verify, says);
        let shown = self.api(&format!("releases/{}", release.leaf));
        self.check_state(&shown["release"], says);
        let page = self.get(&format!("/release/{}", text(&shown["release"]["entry"], "index")));
        let banner = match says.is_usable() {
            true => !page.contains("class=\"banner\""),
            false => page.contains(&format!("class=\"banner\"><strong>{}", says.banner)),
        };
        assert!(banner, "{says:?}: {page}");
        let usable = page.contains("rules let it be used");
        assert_eq!(usable, says.is_usable(), "{page}");
        assert!(page.contains(&format!(": {}</h1>", says.standing)), "{page}");
    }

    /// Server, program and device, asked whether this file may be used.
    pub(crate) fn of_file(&self, pump: &Pump, release: &Release, says: &Says<'_>) {
        let file = &*release.file;
        let (code, told) = self.world.at_log(&["identify", file]);
        assert_eq!(code, says.exit, "{told}");
        self.check_report("identify", &told, says);
        let sha256 = text(&told, "sha256").to_owned();
        let (code, made) = self.world.at_log(&["bundle", "release", &sha256, "--out", "file.fwb"]);
        assert_eq!(code, if says.exit == 3 { 0 } else { says.exit }, "{made}");
        self.check_report("bundle of the file", &made, says);
        self.check_offline(&["verify", file, "--bundle", "file.fwb"], says);
        self.check_offline(&["identify", file, "--bundle", "file.fwb"], says);
        let known = self.api(&format!("identify/{sha256}"));
        assert_eq!(known["usable"], says.is_usable(), "{known}");
        let states = known["releases"].as_array().expect("releases");
        assert!(states.iter().any(|it| it["standing"] == says.standing), "{known}");
        assert_eq!(pump.decide(self, file, "file.fwb"), says.device, "the device: {says:?}");
    }

    /// The JSON, the words and the exit code of a command that needs no log.
    pub(crate) fn check_offline(&self, args: &[&str], says: &Says<'_>) -> Value {
        let args = [args, &["--trust", "log/log.trust"]].concat();
        let (code, told) = run(self.dir(), &args);
        self.check_report(args[0], &told, says);
        let output = command(self.dir(), &args).output().expect("starts");
        let words = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!((code, output.status.code()), (says.exit, Some(says.exit)), "{words}");
        let headline = text(&told, "headline");
        assert!(words.lines().any(|line| line == headline), "{words}");
        let usable = says.is_usable() && says.headline.starts_with("VERIFIED");
        assert_eq!(words.contains(": may be used"), usable, "{words}");
        assert!(words.lines().all(|line| line != "VERIFIED"), "no bundle is verified: {words}");
        assert_eq!(told["not_checked"][0], "whether anything was left out, such as a recall");
        told
    }

    /// A command that needs no log does not find what was asked for. `verify FILE --bundle B` says
    /// that B is of this file: that is wrong, and not only open.
    pub(crate) fn is_absent_offline(&self, args: &[&str]) {
        let exit = if args[0] == "verify" && args.contains(&"--bundle") { 1 } else { 3 };
        let args = [args, &["--trust", "log/log.trust"]].concat();
        let (code, told) = run(self.dir(), &args);
        let output = command(self.dir(), &args).output().expect("starts");
        let words = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!((code, output.status.code()), (exit, Some(exit)), "{words}");
        assert_eq!(
            (text(&told, "verdict"), &told["usable"]),
            ("not found", &false.into()),
            "{told}"
        );
        assert!(words.lines().any(|line| line == "NOT FOUND"), "{words}");
        assert!(!words.contains("VERIFIED") && !words.contains("may be used"), "{words}");
    }

    /// `log fsck` of the stopped log says so, and ends with 1.
    pub(crate) fn fsck_finds(&self, what: &str) {
        let fsck = ["log", "fsck", "--config", "log/firmlog.toml", "--trust", "log/log.trust"];
        let (code, told) = self.world.run(&fsck);
        assert!(code == 1 && told.to_string().contains(what), "{code}: {told}");
    }

    /// A bundle without the entries of these leaf hashes, as anybody can make it.
    pub(crate) fn leave_out(&self, bundle: &str, leaves: &[&str], out: &str) {
        let bytes = std::fs::read(self.dir().join(bundle)).expect("reads");
        let mut part = Bundle::parse(&bytes).expect("a bundle");
        let all = part.entries.len();
        part.entries.retain(|it| !leaves.contains(&&*hex_of(&it.bytes)));
        assert_eq!(part.entries.len() + leaves.len(), all, "{bundle} has all of them");
        std::fs::write(self.dir().join(out), part.encode()).expect("writes");
    }

    /// Whoever hands over the bundle of the file without this entry has the best word that a bundle
    /// can have, and no `verified`. A device that once saw the whole one is not taken in.
    pub(crate) fn is_hidden_without(
        &self,
        pump: &Pump,
        release: &Release,
        hidden: &str,
        device: u64,
    ) {
        self.leave_out("file.fwb", &[hidden], "part.fwb");
        self.check_offline(&["verify", &release.file, "--bundle", "part.fwb"], &MAY_BE_USED);
        assert_eq!(pump.decide(self, &release.file, "part.fwb"), 0);
        // It remembers what the whole one showed: the word itself, or that this tree spoke so.
        let is_hidden = matches!(device, 6 | 7 | 11 | 13);
        for (bundle, device) in
            [("file.fwb", device), ("part.fwb", if is_hidden { 14 } else { device })]
        {
            assert_eq!(pump.decide_knowing(self, &release.file, bundle), device, "{bundle}");
        }
    }

    fn check_report(&self, what: &str, told: &Value, says: &Says<'_>) {
        assert!(text(told, "headline").starts_with(says.headline), "{what}: {says:?}: {told}");
        assert_eq!(text(told, "verdict"), says.verdict, "{what}: {told}");
        assert_eq!(told["standing"], says.standing, "{what}: {told}");
        let sound = says.verdict != "altered";
        assert_eq!(told["usable"], says.is_usable() && sound, "{what}: {told}");
        let any = told["releases"]
            .as_array()
            .is_some_and(|all| all.iter().any(|it| it["usable"] == true));
        assert!(sound || !any, "{what}: {told}");
        let findings = told["findings"].as_array().expect("findings");
        let findings = findings.iter().filter(|it| it["severity"] != "info");
        let mut kinds: Vec<&str> = findings.map(|it| text(it, "kind")).collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds, says.findings, "{what}: {told}");
    }

    fn check_state(&self, state: &Value, says: &Says<'_>) {
        assert_eq!(
            (&state["standing"], &state["usable"]),
            (&says.standing.into(), &says.is_usable().into()),
            "{state}"
        );
        match says.is_usable() {
            true => assert!(state["headline"].is_null(), "{state}"),
            false => assert!(text(state, "headline").starts_with(says.banner), "{state}"),
        }
    }
}
