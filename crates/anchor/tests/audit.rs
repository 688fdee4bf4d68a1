//! A deployment read back from a real node: sound, and with one thing changed at a time.

mod world;

use std::path::PathBuf;
use std::process::Command;

use alloy::primitives::{Address, Bytes, FixedBytes, U256, hex};
use alloy::sol_types::SolCall;
use firmlog_anchor::audit::{Audit, Code, Contract, Expected, Kind, Subject, Weight, audit};
use firmlog_anchor::contract::FirmwareAnchor;
use firmlog_anchor::contract::abi::{
    AccessManager, Council, FirmwareUpdateLog, TimelockController,
};
use serde_json::json;
use world::{ORIGIN, World, authority, node, providers, rich};

/// Nobody that was planned.
const STRANGER: Address = Address::repeat_byte(0x77);

fn subject(world: &World) -> Subject {
    Subject {
        chain_id: node::CHAIN,
        anchor: world.deployment.contract,
        updates: Some(world.deployed.updates),
        from_block: world.from_block,
    }
}

/// What the worlds of these tests are deployed with.
fn planned() -> Expected {
    let account = rich().address();
    Expected {
        timelock_delay_s: 60,
        rotation_delay_s: 60,
        threshold: 1,
        members: Some(vec![Bytes::copy_from_slice(account.as_slice())]),
        registrar: Some(account),
        revoker: Some(account),
        guardian: Some(account),
    }
}

async fn read(world: &World, expected: &Expected) -> Audit {
    world.node.mine(2 * node::EPOCH + 1).await;
    let all = providers(&[world.node.url()], None, false);
    audit(&all, subject(world), expected).await.expect("reads")
}

/// Sends as an account that the node lets us be, whoever has its key.
async fn send_as(world: &World, from: Address, to: Address, input: Vec<u8>) {
    world.node.give(from).await;
    world.node.ask("anvil_impersonateAccount", json!([from])).await;
    let input = Bytes::from(input);
    let request = json!([{"from": from, "to": to, "input": input, "gas": "0x7a120"}]);
    let tx = world.node.ask("eth_sendTransaction", request).await;
    world.node.mine(1).await;
    let receipt = world.node.ask("eth_getTransactionReceipt", json!([tx])).await;
    assert_eq!(receipt["status"], "0x1", "{receipt}");
}

fn kinds(audit: &Audit) -> Vec<Kind> {
    audit.findings.iter().map(|finding| finding.kind).collect()
}

#[tokio::test]
async fn anc_10_a_sound_deployment_has_no_findings_and_cast_reads_the_same() {
    let Some(world) = World::start("audit", authority().address()).await else { return };
    let found = read(&world, &planned()).await;
    assert_eq!(found.findings, []);
    let ours = found.contracts.iter().filter(|it| matches!(it.code, Code::Ours { .. }));
    let names: Vec<Contract> = ours.map(|it| it.contract).collect();
    use Contract as C;
    let all = [C::FirmwareAnchor, C::FirmwareUpdateLog, C::AccessManager, C::TimelockController];
    assert_eq!(names, [&all[..], &[C::Council]].concat());
    assert_eq!((found.logs[0].origin.as_str(), found.logs[0].size), (ORIGIN, 0));
    assert_eq!(found.logs[0].authority, authority().address());
    immutables(&found);
    cast_reads_the_same(&world, &found);
}

/// Nine values in eleven places, each told once.
fn immutables(found: &Audit) {
    let Code::Ours { immutables } = &found.contracts[0].code else { panic!("ours") };
    assert_eq!(immutables.len(), 9);
    let of = |name: &str| immutables.iter().find(|it| it.name == name).expect("is there").value;
    assert_eq!(U256::from_be_bytes(of("rotation delay").0), U256::from(60));
    assert_eq!(U256::from_be_bytes(of("chain id").0), U256::from(node::CHAIN));
    // Osaka has the precompile.
    assert_eq!(U256::from_be_bytes(of("P-256 precompile").0), U256::from(1));
}

/// Roles, delays and members by a client that shares no code with ours.
fn cast_reads_the_same(world: &World, found: &Audit) {
    let Some(cast) = cast() else { return };
    let call = |to: Address, function: &str, args: &[String]| {
        let mut command = Command::new(&cast);
        command.args(["call", &to.to_string(), function]).args(args);
        command.args(["--rpc-url", &world.node.url(), "--block", &found.block.number.to_string()]);
        let output = command.output().expect("cast starts");
        let problem = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{function}: {problem}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let powers = found.powers.as_ref().expect("read");
    let timelock = found.timelock.as_ref().expect("read");
    let council = found.council.as_ref().expect("read");
    let mut held = 0;
    for role in &powers.roles {
        for account in [rich().address(), timelock.address, council.address, STRANGER] {
            let args = [role.number.to_string(), account.to_string()];
            let told = call(powers.manager, "hasRole(uint64,address)(bool,uint32)", &args);
            let ours = role.holders.iter().any(|holder| holder.account == account);
            assert_eq!(told.split_whitespace().next(), Some(if ours { "true" } else { "false" }));
            held += u32::from(ours);
        }
    }
    assert_eq!(held, 4);
    for it in &powers.functions {
        let selector = selector(it.function);
        let target = match it.contract {
            Contract::FirmwareUpdateLog => world.deployed.updates,
            _ => world.deployed.anchor,
        };
        let args = [target.to_string(), selector];
        let told = call(powers.manager, "getTargetFunctionRole(address,bytes4)(uint64)", &args);
        assert_eq!(told.trim(), it.role.to_string(), "{}", it.function);
    }
    let delay = call(timelock.address, "getMinDelay()(uint256)", &[]);
    assert_eq!(delay.trim(), timelock.min_delay_s.to_string());
    let threshold = call(council.address, "threshold()(uint64)", &[]);
    assert_eq!(threshold.trim(), council.threshold.to_string());
    let members = call(
        council.address,
        "getSigners(uint64,uint64)(bytes[])",
        &["0".into(), u64::MAX.to_string()],
    );
    let ours: Vec<String> = council.members.iter().map(|it| it.signer.to_string()).collect();
    assert_eq!(members.trim(), format!("[{}]", ours.join(", ")));
}

fn selector(function: &str) -> String {
    let selector = match function {
        "registerLog" => FirmwareAnchor::registerLogCall::SELECTOR,
        "scheduleRotation" => FirmwareAnchor::scheduleRotationCall::SELECTOR,
        "cancelRotation" => FirmwareAnchor::cancelRotationCall::SELECTOR,
        "revokeAuthority" => FirmwareAnchor::revokeAuthorityCall::SELECTOR,
        "enrolAuthoriser" => FirmwareUpdateLog::enrolAuthoriserCall::SELECTOR,
        "revokeAuthoriser" => FirmwareUpdateLog::revokeAuthoriserCall::SELECTOR,
        "pause" => FirmwareUpdateLog::pauseCall::SELECTOR,
        "unpause" => FirmwareUpdateLog::unpauseCall::SELECTOR,
        other => panic!("{other}"),
    };
    hex::encode_prefixed(selector)
}

/// Beside the node's package.
fn cast() -> Option<PathBuf> {
    let anvil = node::program("cast")?;
    let packages = anvil.ancestors().nth(3)?;
    let found = std::fs::read_dir(packages).ok()?.flatten().map(|package| package.path());
    let programs = found.filter(|it| it.to_string_lossy().contains("/cast-"));
    let cast = programs.map(|it| it.join("bin/cast")).find(|it| it.is_file());
    if cast.is_none() {
        assert!(std::env::var_os("CI").is_none(), "no cast, and CI is set");
        eprintln!("skipped: cast reads the same: no cast beside the node");
    }
    cast
}

#[tokio::test]
async fn each_change_by_the_admin_has_its_finding() {
    let Some(world) = World::start("audit", authority().address()).await else { return };
    let sound = read(&world, &planned()).await;
    let (manager, timelock) = (
        sound.powers.as_ref().expect("read").manager,
        sound.timelock.as_ref().expect("read").address,
    );
    let anchor = world.deployment.contract;
    let grant =
        |role, account| AccessManager::grantRoleCall { roleId: role, account, executionDelay: 0 };
    let assign = |role| AccessManager::setTargetFunctionRoleCall {
        target: anchor,
        selectors: vec![FixedBytes(FirmwareAnchor::registerLogCall::SELECTOR)],
        roleId: role,
    };
    let changes: Vec<(Vec<u8>, &[Kind])> = vec![
        (grant(1, STRANGER).abi_encode(), &[Kind::StrangerHasRole]),
        (grant(0, rich().address()).abi_encode(), &[Kind::DeployerHasRole, Kind::SeveralAdmins]),
        (grant(0, STRANGER).abi_encode(), &[Kind::SeveralAdmins, Kind::EoaAdmin]),
        (grant(0, anchor).abi_encode(), &[Kind::SeveralAdmins, Kind::AdminNotTimelock]),
        (grant(9, STRANGER).abi_encode(), &[Kind::UnknownRole]),
        (assign(u64::MAX).abi_encode(), &[Kind::FunctionOpened]),
        (assign(2).abi_encode(), &[Kind::FunctionElsewhere]),
        (
            AccessManager::setRoleAdminCall { roleId: 1, admin: 2 }.abi_encode(),
            &[Kind::RoleAdminChanged],
        ),
        (
            AccessManager::setRoleGuardianCall { roleId: 1, guardian: 2 }.abi_encode(),
            &[Kind::RoleGuardianSet],
        ),
        (
            AccessManager::setTargetClosedCall { target: anchor, closed: true }.abi_encode(),
            &[Kind::TargetClosed],
        ),
        (
            AccessManager::revokeRoleCall { roleId: 2, account: rich().address() }.abi_encode(),
            &[Kind::RoleNotHeld],
        ),
        (
            AccessManager::renounceRoleCall { roleId: 0, callerConfirmation: timelock }
                .abi_encode(),
            &[Kind::NoAdmin],
        ),
    ];
    for (input, expected) in changes {
        let before = world.node.ask("evm_snapshot", json!([])).await;
        send_as(&world, timelock, manager, input).await;
        let found = read(&world, &planned()).await;
        assert_eq!(kinds(&found), expected, "{:?}", found.findings);
        world.node.ask("evm_revert", json!([before])).await;
    }
    // What nobody expected is told and not judged, but for what cannot be meant so.
    send_as(&world, timelock, manager, grant(1, STRANGER).abi_encode()).await;
    let open = Expected { registrar: None, revoker: None, ..planned() };
    let found = read(&world, &open).await;
    let deployer = [Kind::DeployerHasRole, Kind::RoleHeldBySeveral, Kind::DeployerHasRole];
    assert_eq!(kinds(&found), deployer, "{:?}", found.findings);
}

/// A member with a key, whose signatures the code at `verifier` checks.
fn with_verifier(verifier: Address) -> Bytes {
    [verifier.as_slice(), &[7; 64]].concat().into()
}

#[tokio::test]
async fn members_with_p256_keys_and_writers_of_the_direct_log_are_told() {
    let Some(world) = World::start("audit", authority().address()).await else { return };
    let (d, account) = (world.deployed, rich().address());
    let member = with_verifier(d.p256);
    let add = Council::addMembersCall { members: vec![member.clone()] };
    send_as(&world, d.council, d.council, add.abi_encode()).await;
    let enrol = |who, may_log| FirmwareUpdateLog::enrolAuthoriserCall {
        who,
        mayLog: may_log,
        mayRollBack: true,
    };
    send_as(&world, account, d.updates, enrol(STRANGER, true).abi_encode()).await;
    send_as(&world, account, d.updates, enrol(account, false).abi_encode()).await;
    let revoke = FirmwareUpdateLog::revokeAuthoriserCall { who: STRANGER };
    send_as(&world, account, d.updates, revoke.abi_encode()).await;
    let members = vec![Bytes::copy_from_slice(account.as_slice()), member];
    let found = read(&world, &Expected { members: Some(members), ..planned() }).await;
    assert_eq!(found.findings, []);
    let kinds: Vec<&str> =
        found.council.as_ref().expect("read").members.iter().map(|it| it.kind).collect();
    assert_eq!(kinds, ["account", "P-256"]);
    let verifier = found.contracts.iter().find(|it| it.address == d.p256).expect("compared");
    assert_eq!(verifier.contract, Contract::ERC7913P256Verifier);
    let mut writers = found.updates.expect("read").authorisers;
    writers.sort_by_key(|it| it.account);
    let powers: Vec<_> =
        writers.iter().map(|it| (it.account, it.may_log, it.may_roll_back)).collect();
    assert_eq!(powers, [(STRANGER, false, false), (account, false, true)]);
}

#[tokio::test]
async fn each_change_of_timelock_council_and_logs_has_its_finding() {
    let Some(world) = World::start("audit", authority().address()).await else { return };
    let sound = read(&world, &planned()).await;
    let timelock = sound.timelock.as_ref().expect("read").address;
    let council = sound.council.as_ref().expect("read").address;
    let (anchor, log) = (world.deployment.contract, sound.logs[0].log_id);
    let role = |role: FixedBytes<32>, account| {
        TimelockController::grantRoleCall { role, account }.abi_encode()
    };
    let proposer = alloy::primitives::keccak256("PROPOSER_ROLE");
    let executor = alloy::primitives::keccak256("EXECUTOR_ROLE");
    let stranger = Bytes::copy_from_slice(STRANGER.as_slice());
    let deployer = rich().address();
    let rotate = FirmwareAnchor::scheduleRotationCall { logId: log, newAuthority: STRANGER };
    let schedule = TimelockController::scheduleCall {
        target: anchor,
        value: U256::ZERO,
        data: Bytes::from_static(b"data"),
        predecessor: FixedBytes::ZERO,
        salt: FixedBytes::ZERO,
        delay: U256::from(60),
    };
    let changes: Vec<(Address, Address, Vec<u8>, &[Kind])> = vec![
        (
            timelock,
            timelock,
            TimelockController::updateDelayCall { newDelay: U256::from(59) }.abi_encode(),
            &[Kind::DelayTooShort],
        ),
        (timelock, timelock, role(proposer, STRANGER), &[Kind::TimelockStranger]),
        (timelock, timelock, role(executor, Address::ZERO), &[Kind::TimelockStranger]),
        (timelock, timelock, role(FixedBytes::ZERO, STRANGER), &[Kind::TimelockAdmin]),
        (
            timelock,
            timelock,
            TimelockController::revokeRoleCall { role: proposer, account: council }.abi_encode(),
            &[Kind::CouncilUnknown],
        ),
        (council, timelock, schedule.abi_encode(), &[Kind::OperationPending]),
        (
            council,
            council,
            Council::addMembersCall { members: vec![stranger] }.abi_encode(),
            &[Kind::CouncilMemberUnexpected],
        ),
        (deployer, anchor, rotate.abi_encode(), &[Kind::RotationPending]),
        (
            deployer,
            world.deployed.updates,
            FirmwareUpdateLog::pauseCall {}.abi_encode(),
            &[Kind::Paused],
        ),
        (
            council,
            council,
            Council::addMembersCall { members: vec![with_verifier(world.deployed.manager)] }
                .abi_encode(),
            &[Kind::CouncilMemberUnexpected, Kind::OtherVerifier],
        ),
        (
            deployer,
            anchor,
            FirmwareAnchor::revokeAuthorityCall { logId: log }.abi_encode(),
            &[Kind::LogWithoutAuthority],
        ),
    ];
    for (from, to, input, expected) in changes {
        let before = world.node.ask("evm_snapshot", json!([])).await;
        send_as(&world, from, to, input).await;
        let found = read(&world, &planned()).await;
        assert_eq!(kinds(&found), expected, "{:?}", found.findings);
        world.node.ask("evm_revert", json!([before])).await;
    }
    let more = Expected { threshold: 2, rotation_delay_s: 61, ..planned() };
    let found = read(&world, &more).await;
    assert_eq!(kinds(&found), [Kind::RotationDelayTooShort, Kind::ThresholdTooLow]);
    assert!(found.findings.iter().all(|it| it.weight == Weight::Against));
}

#[tokio::test]
async fn anc_10_other_code_is_found_at_its_first_byte_and_is_not_asked_further() {
    let Some(world) = World::start("audit", authority().address()).await else { return };
    let sound = read(&world, &planned()).await;
    for coded in &sound.contracts {
        let (at, name) = (coded.address, coded.contract.name());
        let code = world.node.ask("eth_getCode", json!([at, "latest"])).await;
        let code: Vec<u8> = serde_json::from_value::<Bytes>(code).expect("code").to_vec();
        // Any single byte: one in the middle, the last, one too many.
        for place in [code.len() / 2, code.len() - 1, code.len()] {
            let before = world.node.ask("evm_snapshot", json!([])).await;
            let mut other = code.clone();
            other.resize(code.len().max(place + 1), 0);
            other[place] ^= 1;
            world.node.ask("anvil_setCode", json!([at, Bytes::from(other)])).await;
            let found = read(&world, &planned()).await;
            let kinds = kinds(&found);
            let expected = match coded.contract {
                Contract::TimelockController => Kind::AdminNotTimelock,
                Contract::Council => Kind::CouncilUnknown,
                _ => Kind::OtherCode,
            };
            assert_eq!(kinds, [expected], "{name} byte {place}: {:?}", found.findings);
            world.node.ask("evm_revert", json!([before])).await;
        }
    }
    // Without its code the council is an account like any other.
    let before = world.node.ask("evm_snapshot", json!([])).await;
    world.node.ask("anvil_setCode", json!([world.deployed.council, "0x"])).await;
    let found = read(&world, &planned()).await;
    assert_eq!(kinds(&found), [Kind::EoaProposer, Kind::CouncilUnknown]);
    world.node.ask("evm_revert", json!([before])).await;
    world.node.ask("anvil_setCode", json!([world.deployment.contract, "0x"])).await;
    let found = read(&world, &planned()).await;
    assert_eq!(kinds(&found), [Kind::NoCode]);
    // The direct log still leads to the manager.
    assert!(found.powers.is_some() && found.logs.is_empty());
}

/// An immutable of another chain: every other byte is ours.
#[tokio::test]
async fn an_immutable_that_does_not_follow_from_chain_and_address_is_other_code() {
    let Some(world) = World::start("audit", authority().address()).await else { return };
    let anchor = world.deployment.contract;
    let code = world.node.ask("eth_getCode", json!([anchor, "latest"])).await;
    let code = code.as_str().expect("code").to_owned();
    let chain = format!("{:064x}", node::CHAIN);
    let other = code.replacen(&chain, &format!("{:064x}", node::CHAIN + 1), 1);
    assert_ne!(code, other);
    world.node.ask("anvil_setCode", json!([anchor, other])).await;
    assert_eq!(kinds(&read(&world, &planned()).await), [Kind::OtherCode]);
    // One that does not follow from anything must be the same wherever it stands.
    let delay = format!("{:064x}", 60);
    assert_eq!(code.matches(&delay).count(), 2);
    let other = code.replacen(&delay, &format!("{:064x}", 61), 1);
    world.node.ask("anvil_setCode", json!([anchor, other])).await;
    assert_eq!(kinds(&read(&world, &planned()).await), [Kind::OtherCode]);
}

#[tokio::test]
async fn events_from_too_late_a_block_are_told_as_incomplete() {
    let Some(world) = World::start("audit", authority().address()).await else { return };
    world.node.mine(2 * node::EPOCH + 1).await;
    let late = Subject { from_block: world.node.head().await, ..subject(&world) };
    let all = providers(&[world.node.url()], None, false);
    let found = audit(&all, late, &planned()).await.expect("reads");
    assert!(kinds(&found).contains(&Kind::HistoryIncomplete), "{:?}", found.findings);
    let other = Subject { chain_id: 1, ..subject(&world) };
    assert!(
        audit(&all, other, &planned())
            .await
            .expect_err("another chain")
            .to_string()
            .contains("31337")
    );
}
