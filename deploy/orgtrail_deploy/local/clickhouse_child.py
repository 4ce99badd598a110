"""The ClickHouse server's process. Run it as a script, with its folder and its ports as arguments.

The wheel's extension module contains the whole server. Loaded by itself, it serves HTTP and the
native protocol once SYSTEM START LISTEN opens the ports (docs/decisions.md, "ClickHouse without
Docker"). The package around it must not be imported, because it starts a second engine.
"""

from __future__ import annotations

import ctypes
import importlib.machinery
import importlib.util
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

from orgtrail_deploy.local.fence import fence, has_fence

# A query that never ends keeps the process serving. It sleeps 3 s per row.
_SERVE = """
SYSTEM START LISTEN HTTP;
SYSTEM START LISTEN TCP;
SELECT sleepEachRow(3) FROM system.numbers FORMAT Null
SETTINGS max_block_size = 1, function_sleep_max_microseconds_per_block = 0
"""


def main(folder: Path, ports: list[int], connects: list[int]) -> int:
    """Serve until killed. On failure print the reason as the last line."""
    # A part has about 80 files, and many systems allow only 1,024 open files by default.
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    # If the hard limit is "unlimited", some systems reject it as the soft limit.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))
    package = importlib.util.find_spec("chdb")
    if package is None or package.origin is None:
        print("the package chdb-core is not installed")
        return 1
    library = Path(package.origin).with_name("_chdb.abi3.so")
    os.chdir(library.parent)
    ctypes.CDLL(str(library), mode=os.RTLD_NOW | os.RTLD_DEEPBIND)
    loader = importlib.machinery.ExtensionFileLoader("_chdb", str(library))
    spec = importlib.util.spec_from_loader("_chdb", loader)
    if spec is None:
        return 1
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    os.chdir(folder)
    if has_fence():
        # Now: the threads of the server inherit it, and the module is loaded already.
        fence(folder, library.parent, ports, connects)
    result = module.query(_SERVE, "TabSeparated", path=str(folder / "data"))
    print((result.error_message() or "ended").split("Stack trace")[0].replace("\n", " "))
    return 1


if __name__ == "__main__":
    given = [int(port) for port in sys.argv[2:]]
    sys.exit(main(Path(sys.argv[1]), given[:2], given[2:]))
