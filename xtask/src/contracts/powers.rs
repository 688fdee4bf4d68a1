//! Who can do what, read from the chain: every function that changes something, tried by everybody.
//!
//! ```text
//! FirmwareAnchor.registerLog(string,address)   the registrar may, others are refused
//! ```
//!
//! A call is tried from each account and only simulated. Its arguments are zeros: what is wrong
//! with them is said after who may call at all.
//!
//! Invariant: each function of our contracts that is not a view is in the table below; one that is
//! not is an error.

use anyhow::{Context, Result, ensure};

use super::cast;
use super::deployed::{THRESHOLD, TIMELOCK_DELAY, World, abi, types};

/// Whom a function obeys.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whom {
    Everybody,
    Registrar,
    Revoker,
    Guardian,
    Timelock,
    Council,
    /// The AccessManager itself, which the admin makes call.
    Manager,
}

const FUNCTIONS: &[(&str, &str, Whom)] = &[
    ("FirmwareAnchor", "anchor", Whom::Everybody),
    ("FirmwareAnchor", "applyRotation", Whom::Everybody),
    ("FirmwareAnchor", "reportEquivocation", Whom::Everybody),
    ("FirmwareAnchor", "registerLog", Whom::Registrar),
    ("FirmwareAnchor", "scheduleRotation", Whom::Registrar),
    ("FirmwareAnchor", "cancelRotation", Whom::Revoker),
    ("FirmwareAnchor", "revokeAuthority", Whom::Revoker),
    ("FirmwareAnchor", "setAuthority", Whom::Manager),
    // Who is enrolled is asked of the record, not of the caller alone: see the contract's tests.
    ("FirmwareUpdateLog", "logUpdate", Whom::Everybody),
    ("FirmwareUpdateLog", "logFirmwareUpdate", Whom::Everybody),
    ("FirmwareUpdateLog", "logFirmwareUpdateSigned", Whom::Everybody),
    ("FirmwareUpdateLog", "enrolAuthoriser", Whom::Registrar),
    ("FirmwareUpdateLog", "revokeAuthoriser", Whom::Revoker),
    ("FirmwareUpdateLog", "pause", Whom::Guardian),
    ("FirmwareUpdateLog", "unpause", Whom::Timelock),
    ("FirmwareUpdateLog", "setAuthority", Whom::Manager),
    // Anybody may send what k members signed.
    ("Council", "execute", Whom::Everybody),
    ("Council", "addMembers", Whom::Council),
    ("Council", "removeMembers", Whom::Council),
    ("Council", "setThreshold", Whom::Council),
];

/// How a caller is refused for who it is.
const REFUSALS: [&str; 2] = ["AccessManagedUnauthorized(address)", "CouncilOnly(address)"];

/// The AccessManager's numbers of roles, and who alone has each.
const ROLES: [(&str, Whom); 4] =
    [("0", Whom::Timelock), ("1", Whom::Registrar), ("2", Whom::Revoker), ("3", Whom::Guardian)];

/// The timelock's roles: it obeys the council, and is changed through itself only.
const TIMELOCK_ROLES: [(&str, Whom); 4] = [
    ("PROPOSER_ROLE()", Whom::Council),
    ("EXECUTOR_ROLE()", Whom::Council),
    ("CANCELLER_ROLE()", Whom::Council),
    ("DEFAULT_ADMIN_ROLE()", Whom::Timelock),
];

/// Compares every power; returns how many there are to have.
pub(super) fn check(world: &World) -> Result<usize> {
    let people = people(world)?;
    Ok(functions(world, &people)? + roles(world, &people)? + timelock(world, &people)?)
}

fn functions(world: &World, people: &[Person]) -> Result<usize> {
    let refusals: Vec<String> = REFUSALS.into_iter().map(cast::selector).collect::<Result<_>>()?;
    let mut tried = 0;
    for contract in ["FirmwareAnchor", "FirmwareUpdateLog", "Council"] {
        for function in abi(contract)? {
            let kind = function["stateMutability"].as_str().unwrap_or_default();
            if function["type"] != "function" || matches!(kind, "view" | "pure") {
                continue;
            }
            ensure!(kind == "nonpayable", "{contract} takes money: {function}");
            let name = function["name"].as_str().context("a function without name")?;
            let known = FUNCTIONS.iter().find(|known| (known.0, known.1) == (contract, name));
            let whom = known.with_context(|| format!("whom does {contract}.{name} obey?"))?.2;
            let selector = cast::selector(&format!("{name}({})", types(&function["inputs"])))?;
            let zeros = "0".repeat(64 * 16);
            let data = cast::join(&[&selector, &zeros]);
            for person in people {
                let may = world.cast.may(&person.account, world.at(contract)?, &data, &refusals)?;
                let should = whom == Whom::Everybody || whom == person.whom;
                ensure!(
                    may == should,
                    "{} may call {contract}.{name}: expected {should}, got {may}",
                    person.name
                );
                tried += 1;
            }
        }
    }
    Ok(tried)
}

fn roles(world: &World, people: &[Person]) -> Result<usize> {
    for (role, holder) in ROLES {
        for person in people {
            let args = [role.to_string(), person.account.clone()];
            let has = [(person.whom == holder).to_string(), "0".into()];
            expect(world, "AccessManager", "hasRole(uint64,address)", &args, "bool,uint32", &has)
                .with_context(|| format!("{} has role {role}", person.name))?;
        }
        // Every role is given and taken by the admin.
        let args = [role.to_string()];
        expect(world, "AccessManager", "getRoleAdmin(uint64)", &args, "uint64", &["0".into()])?;
    }
    Ok(ROLES.len() * people.len())
}

fn timelock(world: &World, people: &[Person]) -> Result<usize> {
    let name = "TimelockController";
    expect(world, name, "getMinDelay()", &[], "uint256", &[TIMELOCK_DELAY.into()])?;
    expect(world, "Council", "threshold()", &[], "uint64", &[THRESHOLD.into()])?;
    for (role, holder) in TIMELOCK_ROLES {
        let number = world.cast.call(world.at(name)?, role, &[])?;
        for person in people {
            let args = [number.clone(), person.account.clone()];
            let has = [(person.whom == holder).to_string()];
            expect(world, name, "hasRole(bytes32,address)", &args, "bool", &has)
                .with_context(|| format!("{} has {role}", person.name))?;
        }
    }
    Ok(TIMELOCK_ROLES.len() * people.len())
}

/// Somebody who could have a power.
struct Person {
    name: &'static str,
    /// Which one they should have; that of everybody if none of their own.
    whom: Whom,
    account: String,
}

fn people(world: &World) -> Result<Vec<Person>> {
    let people = &world.people;
    let zero = format!("0x{}", "0".repeat(40));
    let all = [
        ("the deployer", Whom::Everybody, people.deployer.as_str()),
        ("the registrar", Whom::Registrar, &people.registrar),
        ("the revoker", Whom::Revoker, &people.revoker),
        ("the guardian", Whom::Guardian, &people.guardian),
        ("a member of the council", Whom::Everybody, &people.members[0]),
        ("a stranger", Whom::Everybody, &people.stranger),
        ("the council", Whom::Council, world.at("Council")?),
        ("the timelock", Whom::Timelock, world.at("TimelockController")?),
        ("the access manager", Whom::Manager, world.at("AccessManager")?),
        // A timelock's executor that is nobody would be everybody.
        ("nobody", Whom::Everybody, &zero),
    ];
    let person =
        |(name, whom, account): (_, _, &str)| Person { name, whom, account: account.into() };
    Ok(all.map(person).into())
}

/// Calls a view, and wants exactly these values back.
pub(super) fn expect(
    world: &World,
    contract: &str,
    function: &str,
    args: &[String],
    types: &str,
    values: &[String],
) -> Result<()> {
    let got = world.cast.call(world.at(contract)?, function, args)?;
    let expected = cast::encode(types, values)?;
    let args = args.join(", ");
    ensure!(
        got == expected,
        "{contract}.{function} of ({args})\nexpected {expected}\n     got {got}"
    );
    Ok(())
}
