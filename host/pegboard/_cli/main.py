"""The way in: `--version` without importing anything, and the one boundary that turns errors into exit codes."""

from __future__ import annotations

import gc
import sys

from pegboard import __version__

INTERNAL_ERROR = 3


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given in (["--version"], ["-V"]):
        print(f"pegboard {__version__}")
        return 0
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        _stand_in_for_what_is_closed()
    # Modules, classes and schemas are made once and stay: looking for garbage among them takes a tenth of the start.
    collecting = gc.isenabled()
    gc.disable()
    from pegboard._cli.quick_start import spare_pydantic_core_its_types, spare_pydantic_its_search
    from pegboard.errors import PegboardError

    try:
        spare_pydantic_core_its_types()
        spare_pydantic_its_search()
        code = _run_plainly(given)
        if code is not None:
            return code
        from pegboard._cli.app import run_command_line
        from pegboard._cli.way_out import watched_output

        return run_command_line(given, watched_output)
    except PegboardError as error:
        print(_passed(f"error: {error}"), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone. Python would complain once more when it flushes at exit.
        sys.stdout = None
        return 1
    except Exception as error:
        if _is_full(error):
            sys.stdout = None  # as above
            print(f"error: the output cannot be written: {error.strerror}", file=sys.stderr)  # type: ignore[attr-defined]
            return 1
        _report(error, given)
        return INTERNAL_ERROR
    finally:
        if collecting:
            gc.enable()


def _stand_in_for_what_is_closed() -> None:
    """Open what whoever started us has closed: else the journal could get the number of standard output, say."""
    import os

    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            nothing = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, so most often this one
            os.set_inheritable(nothing, nothing == number)
            setattr(sys, name, open(nothing, mode))  # noqa: SIM115  for as long as we live


def _run_plainly(given: list[str]) -> int | None:
    """Do a `run` whose words need no typer, without importing it; None if there is no such run."""
    from pegboard._cli.words import plain_run, take_no_plugins

    words, no_plugins = take_no_plugins(given)
    wanted = plain_run(words)
    if wanted is None:
        return None
    from pegboard._cli.running import run

    return run(wanted, no_plugins)


def _is_full(error: Exception) -> bool:
    """Whether a disk takes no more of what we print."""
    import errno

    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _report(error: BaseException, given: list[str]) -> None:
    """Print what is needed to find an error of our own: versions, the verb, the traceback; no settings, no prompt."""
    import platform
    import traceback

    verb = next((word for word in given if not word.startswith("-")), "")
    print(
        "pegboard has an internal error. Please report what stands between the lines:\n"
        "----------------------------------------------------------------------\n"
        f"pegboard {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
        f"verb: {_passed(verb)}\n"
        f"{_passed(''.join(traceback.format_exception(error)).rstrip())}\n"
        "----------------------------------------------------------------------",
        file=sys.stderr,
    )


def _passed(text: str) -> str:
    """Return what may leave of an error: it may quote what a session said."""
    from pegboard._cli.way_out import said

    return said(text)
