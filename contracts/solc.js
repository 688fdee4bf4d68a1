// The compiler that forge calls: npm's solc, a program without a native build to download.
//
// `--version` answers in the words of the native program, whose build name forge parses;
// everything else is standard JSON from stdin to stdout.

"use strict";

const solc = require("solc");

if (process.argv.includes("--version")) {
  const version = solc.version().replace(/\.Emscripten.*/, "");
  process.stdout.write(
    `solc, the solidity compiler commandline interface\nVersion: ${version}.Linux.g++\n`
  );
} else {
  const input = require("fs").readFileSync(0, "utf8");
  process.stdout.write(solc.compile(input));
}
