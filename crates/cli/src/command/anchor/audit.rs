//! `anchor audit-contract`: who can do what, and whether the code is ours.
//!
//! In scope: what is expected, how it is shown. Out of scope: reading (`firmlog_anchor::audit`).
//!
//! Invariant: exit 0 only without findings; 1 if one speaks against the deployment, 3 if a person
//! has to look.

use std::path::PathBuf;

use clap::Args;
use firmlog_anchor::audit::{
    Audit, Code, Coded, Expected, Holder, NOT_ESTABLISHED, Powers, Subject, Timelock, Weight, audit,
};
use firmlog_anchor::config::Reading;
use firmlog_anchor::contract::Address;
use serde_json::json;

use super::deploy::{address, member};
use super::{anchor_error, wait_for};
use crate::answer::{Answer, counted, table};
use crate::error::{Exit, Result};

/// How the committed bytecode is made from the sources, and compared.
const REBUILD: &str = "cargo xtask contracts";

/// Arguments of `anchor audit-contract`.
#[derive(Args)]
#[command(after_help = "\
Reads the code, roles, delays and members at the newest final block. No key is needed: of the
settings, [chain] is enough. Exit 1: something speaks against it; exit 3: a person has to look.

Example:
  firmlog anchor audit-contract --config anchor.toml --threshold 2 \\
    --registrar 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \\
    --revoker 0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC")]
pub(crate) struct AuditArgs {
    /// Chain, contract, providers
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The direct log (FirmwareUpdateLog) beside the contract
    #[arg(long, value_name = "ADDRESS")]
    updates: Option<String>,
    /// The least seconds between a decision of the council and its effect
    #[arg(long, value_name = "S", default_value_t = 172_800)]
    timelock_delay: u64,
    /// The least seconds between the announcement of another authority and its effect
    #[arg(long, value_name = "S", default_value_t = 172_800)]
    rotation_delay: u64,
    /// The least number of members that must sign
    #[arg(long, value_name = "K", default_value_t = 2)]
    threshold: u64,
    /// A member the council must have, and no other; again for more; left out, any
    #[arg(long = "member", value_name = "HEX")]
    members: Vec<String>,
    /// The only account that may register logs and announce authorities; left out, any one
    #[arg(long, value_name = "ADDRESS")]
    registrar: Option<String>,
    /// The only account that may take authorities away; left out, any one
    #[arg(long, value_name = "ADDRESS")]
    revoker: Option<String>,
    /// The only account that may pause the direct log; left out, any one
    #[arg(long, value_name = "ADDRESS")]
    guardian: Option<String>,
}

/// Runs the command.
pub(super) fn run(args: &AuditArgs) -> Result<Answer> {
    let config = Reading::read(&args.config).map_err(|e| anchor_error(&e))?;
    let deployment = config.chain.deployment().map_err(|e| anchor_error(&e))?;
    let subject = Subject {
        chain_id: deployment.chain_id,
        anchor: deployment.contract,
        updates: optional(args.updates.as_deref())?,
        from_block: config.chain.from_block,
    };
    let expected = expected(args)?;
    let providers = config.providers().map_err(|e| anchor_error(&e))?;
    let found = wait_for(audit(&providers, subject, &expected))?.map_err(|e| anchor_error(&e))?;
    Ok(answer(&found))
}

fn expected(args: &AuditArgs) -> Result<Expected> {
    let members: Result<Vec<_>> = args.members.iter().map(|text| member(text)).collect();
    Ok(Expected {
        timelock_delay_s: args.timelock_delay,
        rotation_delay_s: args.rotation_delay,
        threshold: args.threshold,
        members: Some(members?).filter(|members| !members.is_empty()),
        registrar: optional(args.registrar.as_deref())?,
        revoker: optional(args.revoker.as_deref())?,
        guardian: optional(args.guardian.as_deref())?,
    })
}

fn optional(text: Option<&str>) -> Result<Option<Address>> {
    text.map(address).transpose()
}

fn answer(found: &Audit) -> Answer {
    let weighs = |weight| found.findings.iter().any(|finding| finding.weight == weight);
    let exit = match (weighs(Weight::Against), weighs(Weight::Look)) {
        (true, _) => Exit::Against,
        (false, true) => Exit::Incomplete,
        (false, false) => Exit::Proven,
    };
    let mut json = serde_json::to_value(found).unwrap_or_default();
    json["not_established"] = json!(NOT_ESTABLISHED);
    json["rebuild"] = REBUILD.into();
    Answer::new("anchor-audit-contract", json, text(found)).exit(exit)
}

fn text(found: &Audit) -> String {
    let mut rows = vec![
        ("chain".to_owned(), found.chain_id.to_string()),
        ("block".into(), format!("#{} {}", found.block.number, found.block.hash)),
        ("providers".into(), format!("{} asked, {} must agree", found.providers, found.quorum)),
    ];
    rows.extend(found.contracts.iter().map(code_row));
    rows.extend(found.powers.iter().flat_map(power_rows));
    rows.extend(found.timelock.iter().flat_map(timelock_rows));
    if let Some(council) = &found.council {
        let members = counted(council.members.len() as u64, "member", "members");
        rows.push(("council".into(), format!("{} of {members} decide", council.threshold)));
        let member = |it: &firmlog_anchor::audit::Member| format!("{} ({})", it.signer, it.kind);
        rows.extend(council.members.iter().map(|it| ("  member".into(), member(it))));
    }
    for log in &found.logs {
        let (size, seq, by) = (log.size, log.seq, log.authority);
        let words = format!("{}: {size} entries, anchor {seq}, authority {by}", log.origin);
        rows.push(("log".into(), words));
    }
    if let Some(updates) = &found.updates {
        let state = if updates.paused { "paused" } else { "takes updates" };
        rows.push(("direct log".into(), format!("{} {state}", updates.address)));
        for it in &updates.authorisers {
            let may = |may: bool, what: &'static str| if may { what } else { "-" };
            let (log, back) = (may(it.may_log, "log"), may(it.may_roll_back, "roll back"));
            rows.push(("  writer".into(), format!("{} may {log}, {back}", it.account)));
        }
    }
    let mut text = table(rows.iter().map(|(name, value)| (name.as_str(), value.clone())));
    for finding in &found.findings {
        let mark = if finding.weight == Weight::Against { "✗" } else { "◷" };
        let (kind, at) = (finding.kind.word(), finding.address);
        text.push_str(&format!("{mark} {kind}  {at}: {}\n", finding.summary));
    }
    if found.findings.is_empty() {
        text.push_str("✓ no findings\n");
    }
    text.push_str(&format!("not shown: {}\n", NOT_ESTABLISHED.join("; ")));
    text
}

fn code_row(coded: &Coded) -> (String, String) {
    let words = match &coded.code {
        Code::Ours { .. } => "✓ the committed code",
        Code::Nothing => "✗ no code",
        Code::Other { .. } => "✗ other code",
    };
    (coded.contract.name().into(), format!("{} {words}, hash {}", coded.address, coded.code_hash))
}

fn power_rows(powers: &Powers) -> Vec<(String, String)> {
    let name = |number: u64| match powers.roles.iter().find(|role| role.number == number) {
        Some(role) => role.name.clone(),
        None => "everybody".into(),
    };
    let mut rows = Vec::new();
    for role in &powers.roles {
        let holders: Vec<String> = role.holders.iter().map(holder).collect();
        let words = if holders.is_empty() { "nobody".into() } else { holders.join(", ") };
        rows.push((format!("{} (role {})", role.name, role.number), words));
    }
    for it in &powers.functions {
        rows.push((
            format!("  {}", it.function),
            format!("{}: {}", it.contract.name(), name(it.role)),
        ));
    }
    rows
}

fn holder(holder: &Holder) -> String {
    let kind = if holder.is_account { "account" } else { "contract" };
    match holder.execution_delay_s {
        0 => format!("{} ({kind})", holder.account),
        delay => format!("{} ({kind}, after {delay} s)", holder.account),
    }
}

fn timelock_rows(timelock: &Timelock) -> Vec<(String, String)> {
    let list = |accounts: &[Address]| {
        let all: Vec<String> = accounts.iter().map(Address::to_string).collect();
        if all.is_empty() { "nobody".into() } else { all.join(", ") }
    };
    vec![
        ("timelock".into(), format!("{} s between decision and effect", timelock.min_delay_s)),
        ("  proposes".into(), list(&timelock.proposers)),
        ("  executes".into(), list(&timelock.executors)),
        ("  cancels".into(), list(&timelock.cancellers)),
        ("  admin".into(), list(&timelock.admins)),
    ]
}
