"""Where the API key comes from: the environment, a helper command, the keyring; in this order."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from typing import BinaryIO

from pegboard.errors import MissingKeyError, ModelError
from pegboard.output import one_line
from pegboard.typed import dataclass
from pegboard_builtins.anthropic_model.settings import AnthropicSettings

VARIABLE = "ANTHROPIC_API_KEY"
HELPER = "api_key_helper"
KEYRING = "keyring"
KEYRING_SERVICE, KEYRING_USER = "pegboard", "anthropic"
NO_KEY = "characters that no key has: only visible ASCII can be sent"
LONGEST = 300


@dataclass(frozen=True, slots=True)
class Key:
    """An API key and who gave it. `cached` says that it was not asked for just now."""

    value: str
    source: str
    cached: bool = False

    def __repr__(self) -> str:
        return f"Key(source={self.source!r})"  # never the value: this ends up in logs and tracebacks


async def find_key(settings: AnthropicSettings, environment: Mapping[str, str] | None = None) -> Key:
    """Return the first key that somebody gives. Raises MissingKeyError, which names the three ways."""
    value = (os.environ if environment is None else environment).get(VARIABLE, "").strip()
    if value:
        if not _may_be_key(value):
            raise MissingKeyError(f"the variable {VARIABLE} holds {NO_KEY}")
        return Key(value, VARIABLE)
    problems: list[str] = []
    if settings.api_key_helper:
        try:
            return Key(await ask_helper(settings.api_key_helper, settings.api_key_helper_timeout), HELPER)
        except ModelError as wrong:
            problems.append(str(wrong))
    try:
        value = await asyncio.to_thread(_from_keyring)
    except Exception as wrong:  # backends raise what they like: no bus, no daemon, a locked store
        if type(wrong).__name__ != "NoKeyringError":  # none on this machine: as if the extra were not installed
            problems.append(f"the keyring cannot be read: {type(wrong).__name__}: {one_line(str(wrong), LONGEST)}")
    if value and _may_be_key(value):
        return Key(value, KEYRING)
    if value:
        problems.append(f"the keyring holds {NO_KEY}")
    raise MissingKeyError(
        "".join(f"{problem}; " for problem in problems)
        + "there is no key for the Anthropic API. Give one in one of three ways: "
        f"set the variable {VARIABLE}; or name a command that prints it in the settings, "
        f'[anthropic_model] {HELPER} = "..."; or put it in the keyring: pip install "pegboard[keyring]" and '
        f"`keyring set {KEYRING_SERVICE} {KEYRING_USER}`."
    )


def _may_be_key(value: str) -> bool:
    """Whether it can stand in a header: an error about one that cannot would show it."""
    return value.isascii() and value.isprintable() and " " not in value


async def ask_helper(command: str, timeout: float) -> str:
    """Run a helper command and return the key that it prints. Raises ModelError for anything else."""
    # Not pipes: a helper may leave an agent behind that holds them open for ever.
    with _scratch() as output, _scratch() as errors:
        process = await asyncio.create_subprocess_shell(
            command, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=errors, start_new_session=True
        )
        try:
            async with asyncio.timeout(timeout):
                status = await process.wait()
        except TimeoutError:
            raise _helper_error(command, f"did not answer within {timeout:g} s") from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        key, said = _read(output), _read(errors)
    if status != 0:
        last = one_line(said.splitlines()[-1], 200) if said else "no reason given"
        raise _helper_error(command, f"ended with status {status}: {last}")
    if not key:
        raise _helper_error(command, "printed nothing")
    if len(key.split()) > 1:
        raise _helper_error(command, "printed more than one word; it must print the key and nothing else")
    if not _may_be_key(key):
        raise _helper_error(command, f"printed {NO_KEY}")
    return key


def _helper_error(command: str, problem: str) -> ModelError:
    return ModelError(f"the {HELPER} `{one_line(command, LONGEST)}` {problem}")


def _scratch() -> BinaryIO:
    """Return a file without a name; in memory where the system has that, for it will hold a secret."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("helper"), "w+b")
    return tempfile.TemporaryFile()


def _read(file: BinaryIO) -> str:
    file.seek(0)
    return file.read(65_536).decode("utf-8", "replace").strip()


def _from_keyring() -> str:
    try:
        import keyring
    except ImportError:  # an extra that is not installed is no error
        return ""
    return (keyring.get_password(KEYRING_SERVICE, KEYRING_USER) or "").strip()


def check_key(settings: AnthropicSettings) -> str | None:
    """Answer `doctor`: None if there is a key, else what is wrong. Asks the helper, for it may be what is broken."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:  # doctor may run inside an event loop, which must not be entered twice
        try:
            pool.submit(lambda: asyncio.run(find_key(settings))).result()
        except MissingKeyError as missing:
            return str(missing)
    return None
