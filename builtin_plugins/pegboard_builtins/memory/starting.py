"""Starts a daemon where none answers: without a fork, in a session of its own, one at a time."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from pegboard_builtins.memory import disk
from pegboard_builtins.memory.events import MemoryFailure, StoreBusyError
from pegboard_builtins.memory.place import Config, is_locked

LOG = "daemon.log"
LARGEST_LOG = 1_000_000
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "USER", "LOGNAME", "XDG_RUNTIME_DIR")
KEPT_PREFIXES = ("PEGBOARD_",)
BOOT = (
    "import sys; sys.path[:0] = {folders!r}; from pegboard_builtins.memory.daemon import main; "
    "sys.exit(main({config!r}, {turn}))"
)


class CannotStartError(MemoryFailure):
    """No daemon can be started here."""


def argv_of(config: Config, turn: int = -1) -> list[str]:
    """Return the command of a daemon. It runs isolated: nothing in a working folder or a variable adds code to it."""
    if not sys.executable:
        raise CannotStartError("this Python does not know its own program, so it can start no daemon")
    import pegboard

    here = Path(__file__).resolve().parents[2]
    folders = list(dict.fromkeys((str(here), str(Path(pegboard.__file__).resolve().parents[1]))))
    return [sys.executable, "-I", "-S", "-c", BOOT.format(folders=folders, config=config.json(), turn=turn)]


def environment() -> dict[str, str]:
    """Return the variables that a daemon gets: no keys, and nothing that changes what code it runs."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in KEPT_VARIABLES or (name.startswith(KEPT_PREFIXES) and "FLAGS" not in name)
    }


def start(config: Config) -> bool:
    """Start a daemon, and do not wait for it; False where another process does just that, or has done it."""
    disk.private_folder(config.root)
    try:
        turn = disk.lock(config.root / "starting")
    except StoreBusyError:
        return False
    except OSError as error:
        raise CannotStartError(f"{config.root}: {disk.reason_of(error)}") from None
    try:
        if is_locked(config.root):  # whose turn it was before us serves by now
            return False
        with open(_log_file(config.root), "ab") as log:
            process = subprocess.Popen(
                argv_of(config, turn),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=environment(),
                start_new_session=True,
                close_fds=True,
                pass_fds=(turn,),  # nobody else starts one until this one serves
            )
    except OSError as error:
        raise CannotStartError(f"no daemon can be started: {disk.reason_of(error)}") from None
    finally:
        os.close(turn)
    # When it ends, somebody has to take note, or it stays in the process table for as long as we live.
    threading.Thread(target=process.wait, name="memory daemon", daemon=True).start()
    return True


def _log_file(root: Path) -> Path:
    path = root / LOG
    if path.exists() and path.stat().st_size > LARGEST_LOG:
        path.replace(path.with_suffix(".log.1"))
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, disk.PRIVATE_FILE))
    return path
