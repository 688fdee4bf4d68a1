"""MCUboot's imgtool, asked line by line: what it was told to do, and how that ended.

{"run": ["sign", "-k", …]}  -> {"code": 0, "out": "…"}
{"dump": "image.bin"}       -> what `imgtool dumpinfo` writes, bytes as hex
"""

import contextlib
import io
import json
import os
import sys
import tempfile

import yaml
from imgtool.main import imgtool


def run(args):
    out = io.StringIO()
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            imgtool.main(args, standalone_mode=False)
        except SystemExit as end:
            code = 0 if end.code in (0, None) else 1
        except Exception as refusal:
            code = 1
            print(repr(refusal))
    return {"code": code, "out": out.getvalue()}


def plain(value):
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def dump(path):
    handle, name = tempfile.mkstemp()
    os.close(handle)
    try:
        done = run(["dumpinfo", path, "-o", name])
        if done["code"]:
            return {"error": done["out"]}
        with open(name) as file:
            return plain(yaml.safe_load(file))
    finally:
        os.remove(name)


for line in sys.stdin:
    question = json.loads(line)
    answer = run(question["run"]) if "run" in question else dump(question["dump"])
    print(json.dumps(answer), flush=True)
