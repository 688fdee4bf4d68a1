// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {VM} from "../test/Vm.sol";
import {Deployer} from "./Deployer.sol";

/// @notice `forge script script/Deploy.s.sol --broadcast`, with the plan in the environment.
contract Deploy is Deployer {
    /// @notice Reads the plan from the environment and deploys it with the sender's key.
    function run() external returns (Deployment memory) {
        Plan memory plan = Plan({
            members: VM.envBytes("COUNCIL_MEMBERS", ","),
            threshold: uint64(VM.envUint("COUNCIL_THRESHOLD")),
            timelockDelay: VM.envUint("TIMELOCK_DELAY"),
            rotationDelay: uint64(VM.envUint("ROTATION_DELAY")),
            registrar: VM.envAddress("REGISTRAR"),
            revoker: VM.envAddress("REVOKER"),
            guardian: VM.envAddress("GUARDIAN")
        });
        VM.startBroadcast();
        Deployment memory made = _deploy(plan, msg.sender);
        VM.stopBroadcast();
        return made;
    }
}
