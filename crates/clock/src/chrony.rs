//! What chrony knows: which source it follows, whether NTS authenticated it, how far off it may be.
//!
//! ```text
//! $ chronyc -c -n tracking
//! 7F000001,127.0.0.1,4,1781870400.123,-0.000012,0.000003,…,0.000045,0.000321,2.0,Normal
//! $ chronyc -c -n sources
//! ^,*,127.0.0.1,3,0,377,1,-0.000004,-0.000004,0.000035
//! $ chronyc -c -n authdata
//! 127.0.0.1,NTS,1,15,256,33,0,0,8,100
//! ```
//!
//! Chrony is asked through its own `chronyc`, not through its socket: both sides of the command
//! protocol come from one package and change together, while comma-separated output is kept as it
//! is for scripts. The program is given a deadline and stopped; what hangs behind it is not ours.
//!
//! In scope: asking and reading. Out of scope: what to make of it (`judge`).
//!
//! Invariants:
//! - [`read`] returns soon after the deadline, whatever chronyd and chronyc do.
//! - What is not understood whole is [`Chrony::Garbled`], never half believed.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::settings::ChronySettings;

/// More than any answer to the three questions.
const ANSWER_MAX: u64 = 65_536;
/// How long chronyc may take to remove its socket before it is killed.
const GRACE: Duration = Duration::from_millis(100);

/// Chrony's account.
#[derive(Clone, Debug, PartialEq)]
pub enum Chrony {
    /// The settings say not to ask.
    Off,
    /// There is no chronyc, or it reaches no chronyd.
    Absent(String),
    /// No answer within the deadline.
    Hung,
    /// An answer that is not understood.
    Garbled(String),
    /// An answer.
    Answered(Tracking),
}

/// What chronyd follows.
#[derive(Clone, Debug, PartialEq)]
pub struct Tracking {
    /// Whether it says that the clock is synchronised.
    pub synchronised: bool,
    /// When it last heard from its source, milliseconds since 1970 UTC.
    pub last_ms: u64,
    /// Greatest error of the clock: what is still to be slewed, root dispersion and half the root
    /// delay; milliseconds, rounded up.
    pub error_ms: u32,
    /// The sources it follows: the selected one first, then those combined with it.
    pub followed: Vec<Followed>,
}

/// A source that chronyd follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    /// Address or reference id.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Whether any of the last eight polls was answered.
    pub reachable: bool,
}

/// How a source is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// NTS (RFC 8915).
    Nts,
    /// NTP without NTS, or chronyd does not say (`authdata` is for its own user only).
    Ntp,
    /// A satellite receiver at this computer.
    Gnss,
    /// Another clock at this computer.
    Local,
}

/// Asks chrony.
pub fn read(settings: &ChronySettings) -> Chrony {
    if !settings.enabled {
        return Chrony::Off;
    }
    let deadline = Instant::now() + Duration::from_millis(settings.timeout_ms);
    let ask = |question| ask(settings, question, deadline);
    let answers = ask("tracking").and_then(|tracking| Ok((tracking, ask("sources")?)));
    let (tracking, sources) = match answers {
        Ok(answers) => answers,
        Err(why) => return why,
    };
    // Chronyd refuses this one to all but its own user: then nothing is called NTS.
    let authentication = match ask("authdata") {
        Ok(answer) => answer,
        Err(Chrony::Absent(_)) => String::new(),
        Err(why) => return why,
    };
    match parse(&tracking, &sources, &authentication) {
        Some(tracking) => Chrony::Answered(tracking),
        None => Chrony::Garbled(first_line(&[tracking, sources, authentication].concat())),
    }
}

/// Reads the three answers; nothing if one of them is not as it should be.
pub fn parse(tracking: &str, sources: &str, authentication: &str) -> Option<Tracking> {
    let line = tracking.strip_suffix('\n').filter(|line| !line.contains('\n'))?;
    let fields: Vec<&str> = line.split(',').collect();
    let [_id, _name, _stratum, last, offset, .., delay, dispersion, _interval, leap] = &fields[..]
    else {
        return None;
    };
    if fields.len() != 14 {
        return None;
    }
    let error_s = seconds(offset)?.abs() + seconds(dispersion)? + seconds(delay)? / 2.0;
    let synchronised = match *leap {
        "Normal" | "Insert second" | "Delete second" => true,
        "Not synchronised" => false,
        _ => return None,
    };
    Some(Tracking {
        synchronised,
        last_ms: millis(seconds(last)?)?,
        error_ms: u32::try_from(millis(error_s)?).ok()?,
        followed: followed(sources, authentication)?,
    })
}

fn followed(sources: &str, authentication: &str) -> Option<Vec<Followed>> {
    let modes = authentication.lines().map(|line| {
        let mut fields = line.split(',');
        Some((fields.next()?, fields.next()?))
    });
    let modes: Vec<(&str, &str)> = modes.collect::<Option<_>>()?;
    if modes.iter().any(|(_, mode)| !["-", "NTS", "SK"].contains(mode)) {
        return None;
    }
    let mut followed = Vec::new();
    for line in sources.lines() {
        let fields: Vec<&str> = line.split(',').collect();
        let [kind, state, name, _stratum, _poll, reach, _, _, _, _] = fields[..] else {
            return None;
        };
        let reachable = u32::from_str_radix(reach, 8).ok()? != 0;
        let nts = modes.iter().any(|(of, mode)| *of == name && *mode == "NTS");
        let kind = match kind {
            "^" | "=" if nts => Kind::Nts,
            "^" | "=" => Kind::Ntp,
            "#" if is_satellite(name) => Kind::Gnss,
            "#" => Kind::Local,
            _ => return None,
        };
        let source = Followed { name: name.to_owned(), kind, reachable };
        match state {
            "*" => followed.insert(0, source),
            "+" => followed.push(source),
            "-" | "?" | "x" | "~" => {}
            _ => return None,
        }
    }
    // Combined ones without a selected one are no choice of chronyd's.
    let selected = sources.lines().filter(|line| line.split(',').nth(1) == Some("*")).count();
    (selected == 1 || (selected == 0 && followed.is_empty())).then_some(followed)
}

/// Reference ids that RFC 5905 gives to satellite receivers.
fn is_satellite(name: &str) -> bool {
    ["GPS", "GNSS", "GAL", "GLO", "GOES", "BDS"].iter().any(|id| name.starts_with(id))
}

fn seconds(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Whole milliseconds, rounded up; nothing if negative or beyond all use.
fn millis(seconds: f64) -> Option<u64> {
    let ms = (seconds * 1000.0).ceil();
    (0.0..1e15).contains(&ms).then_some(ms as u64)
}

/// Runs chronyc with one question.
fn ask(settings: &ChronySettings, question: &str, deadline: Instant) -> Result<String, Chrony> {
    let mut command = Command::new(&settings.program);
    command.args(["-c", "-n"]);
    if let Some(socket) = &settings.socket {
        command.arg("-h").arg(socket);
    }
    command.arg(question).env_clear().current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let absent = |error| Chrony::Absent(format!("{}: {error}", settings.program.display()));
    let mut child = command.spawn().map_err(absent)?;
    let output = output(&mut child, deadline);
    let ended = end(&mut child, deadline);
    match (output, ended) {
        (Some(Ok(text)), Some(true)) => Ok(text),
        (Some(Ok(text)), Some(false)) => Err(Chrony::Absent(said(&settings.program, &text))),
        (Some(Err(_)), _) => Err(Chrony::Garbled("not text".into())),
        (None, _) | (_, None) => Err(Chrony::Hung),
    }
}

/// What it prints until it closes its output; nothing if that takes too long. The reader is a
/// thread of its own, because a pipe that something else holds open would never end.
fn output(child: &mut Child, deadline: Instant) -> Option<Result<String, std::io::Error>> {
    let pipe = child.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        let read = pipe.take(ANSWER_MAX).read_to_string(&mut text);
        drop(sender.send(read.map(|_| text)));
    });
    receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
}

/// Whether it ended well by the deadline. If it has not ended it is asked to, and then killed.
fn end(child: &mut Child, deadline: Instant) -> Option<bool> {
    if let Some(status) = wait(child, deadline) {
        return Some(status);
    }
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        kill_process(pid, Signal::TERM).ok();
    }
    if wait(child, Instant::now() + GRACE).is_none() {
        drop(child.kill());
        drop(child.wait());
    }
    None
}

fn wait(child: &mut Child, until: Instant) -> Option<bool> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) if Instant::now() < until => thread::sleep(Duration::from_millis(2)),
            _ => return None,
        }
    }
}

fn said(program: &Path, text: &str) -> String {
    format!("{}: {}", program.display(), first_line(text))
}

/// Enough to recognise it by, and nothing that steers a terminal.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACKING: &str = "7F000001,127.0.0.1,4,1781870400.25,-0.000012,0.000003,0.000003,1.5,\
                            0.0,0.01,0.004,0.0103,2.0,Normal\n";
    const SOURCES: &str = "^,-,192.0.2.9,2,6,377,9,0.1,0.1,0.2\n\
                           ^,+,192.0.2.2,2,6,17,9,0.0,0.0,0.0\n\
                           ^,*,127.0.0.1,3,0,377,1,-0.000004,-0.000004,0.000035\n";
    const AUTH: &str = "192.0.2.9,-,0,0,0,4294967295,0,0,0,0\n\
                        192.0.2.2,SK,1,1,128,4294967295,0,0,0,0\n\
                        127.0.0.1,NTS,1,15,256,33,0,0,8,100\n";

    /// TIM-010, TIM-014.
    #[test]
    fn what_is_followed_is_read_with_its_authentication() {
        let tracking = parse(TRACKING, SOURCES, AUTH).unwrap();
        assert!(tracking.synchronised);
        // 0.012 + 10.3 + 4/2 ms
        assert_eq!((tracking.last_ms, tracking.error_ms), (1_781_870_400_250, 13));
        let kinds: Vec<_> =
            tracking.followed.iter().map(|it| (it.name.as_str(), it.kind)).collect();
        assert_eq!(kinds, [("127.0.0.1", Kind::Nts), ("192.0.2.2", Kind::Ntp)]);
        // Without the right to ask, nothing is called NTS.
        let tracking = parse(TRACKING, SOURCES, "").unwrap();
        assert!(tracking.followed.iter().all(|it| it.kind == Kind::Ntp));
    }

    #[test]
    fn satellites_are_told_from_other_clocks() {
        for (name, kind) in [("GPS0", Kind::Gnss), ("GAL", Kind::Gnss), ("PHC0", Kind::Local)] {
            let sources = format!("#,*,{name},0,4,377,1,0.0,0.0,0.0\n");
            assert_eq!(parse(TRACKING, &sources, "").unwrap().followed[0].kind, kind);
        }
    }

    /// TIM-013.
    #[test]
    fn what_is_not_understood_whole_is_not_believed() {
        let odd = [
            (TRACKING.replace(",Normal", ",Fine"), SOURCES.into()),
            (TRACKING.replace("0.0103", "nan"), SOURCES.into()),
            (TRACKING.replace("0.0103", "-9"), SOURCES.into()),
            (TRACKING.replace("0.0103", "1e300"), SOURCES.into()),
            (TRACKING.replace("-0.000012,", ""), SOURCES.into()),
            (TRACKING.repeat(2), SOURCES.into()),
            (String::new(), SOURCES.into()),
            (TRACKING.into(), SOURCES.replace("^,+", "^,!")),
            (TRACKING.into(), SOURCES.replace("^,+", "^,*")),
            (TRACKING.into(), SOURCES.replace("^,*", "^,-")),
            (TRACKING.into(), SOURCES.replace("377", "9")),
            (TRACKING.into(), "?".to_owned()),
        ];
        for (tracking, sources) in odd {
            assert_eq!(parse(&tracking, &sources, AUTH), None, "{tracking}{sources}");
        }
        assert_eq!(parse(TRACKING, SOURCES, "127.0.0.1,SUPER\n"), None);
    }
}
