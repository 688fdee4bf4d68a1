// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// Registers logs, schedules rotations, enrols authorisers.
uint64 constant REGISTRAR = 1;
// Revokes authorities and authorisers at once, cancels rotations.
uint64 constant REVOKER = 2;
// Pauses new records of the update log.
uint64 constant GUARDIAN = 3;
