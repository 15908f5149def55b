"""The folder of compiled kernels.

numba's own file cache lies beside the source, raises at import when no folder can be written, and fails on every
call after a cache file was cut short. The cache here is numba-version, processor and user specific, checks a digest
before it unpickles anything, and treats every failure to read or write as "not cached": the kernel is compiled, and
the file written anew where that is possible.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
import stat
import sys
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core import compiler, serialize
from numba.core import config as _untyped_config
from numba.core.runtime import rtsys as _untyped_runtime  # type: ignore[attr-defined]

__all__ = ["KernelCache", "cache_folder"]

_config: Any = _untyped_config
_runtime: Any = _untyped_runtime
_rebuild: Any = compiler.CompileResult._rebuild
_dumps: Any = serialize.dumps

_DIGEST_BYTES = 32
_NOT_OURS = stat.S_IRWXG | stat.S_IRWXO

# What numba's loading can raise on a file that another numba, LLVM or Python wrote; the digest has already excluded
# damage. None of them may reach the caller: the kernel is compiled instead.
_UNREADABLE = (OSError, pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError,
               ImportError, RuntimeError)  # fmt: skip


@functools.cache
def cache_folder() -> Path | None:
    """The folder this process keeps machine code in, or None when none can be used.

    The first usable of ``$ANNOKIT_FAST_CACHE_DIR``, ``$NUMBA_CACHE_DIR``, ``$XDG_CACHE_HOME``, ``~/.cache`` and the
    folder for temporary files. It belongs to the user, is closed to everybody else, and carries the versions and the
    processor in its name.
    """
    name = _folder_name()
    for base in _base_folders():
        folder = base / name
        if _make_private(folder):
            return folder
    return None


def _base_folders() -> list[Path]:
    user = f"annokit_fast-{os.getuid()}" if hasattr(os, "getuid") else "annokit_fast"
    bases = [
        Path(os.environ[key]) / user
        for key in ("ANNOKIT_FAST_CACHE_DIR", "NUMBA_CACHE_DIR")
        if os.environ.get(key)
    ]
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        bases.append(Path(xdg) / "annokit_fast")
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home() raises where no home is known
    if Path(home).is_absolute():
        bases.append(Path(home) / ".cache" / "annokit_fast")
    bases.append(Path(tempfile.gettempdir()) / user)
    return [base for base in bases if base.is_absolute()]


def _folder_name() -> str:
    from importlib import metadata

    from llvmlite import binding  # type: ignore[import-untyped]

    try:
        version = metadata.version("annokit")
    except metadata.PackageNotFoundError:
        version = "source"
    processor = f"{binding.get_process_triple()} {_config.CPU_NAME or binding.get_host_cpu_name()} {_config.CPU_FEATURES}"
    return f"{version}-numba{numba.__version__}-{hashlib.sha256(processor.encode()).hexdigest()[:12]}"


def _make_private(folder: Path) -> bool:
    """Create `folder` for this user alone; False where it cannot be written or is somebody else's."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if hasattr(os, "getuid"):
            found = folder.stat()
            if found.st_uid != os.getuid():
                return False
            if found.st_mode & _NOT_OURS:
                folder.chmod(0o700)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


@functools.cache
def _source_digest(path: str) -> bytes:
    return hashlib.sha256(Path(path).read_bytes()).digest()


class KernelCache:
    """What a numba dispatcher asks of a cache, kept in one file per function, signature and processor."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._code = function.__code__
        self._name = f"{function.__module__.rpartition('.')[2]}.{function.__qualname__}".replace(
            "<locals>", ""
        )

    @property
    def cache_path(self) -> str | None:
        folder = cache_folder()
        return None if folder is None else str(folder)

    def enable(self) -> None:
        """Part of numba's interface; the cache is always on."""

    def disable(self) -> None:
        """Part of numba's interface; the cache is always on."""

    def flush(self) -> None:
        """Part of numba's interface: forget what is kept of this function."""
        folder = cache_folder()
        for path in folder.glob(f"{self._name}-*.kernel") if folder else ():
            path.unlink(missing_ok=True)

    def load_overload(self, signature: Any, target: Any) -> Any:
        # All that machine code needs to run. numba's own cache refreshes the target here, which imports everything numba
        # can compile: twice the time of a first call, and whoever does compile gets it from numba then.
        _runtime.initialize(target)
        path = self._path(signature, target.codegen())
        if path is None:
            return None
        try:
            data = path.read_bytes()
        except OSError:
            return None
        payload = data[_DIGEST_BYTES:]
        if hashlib.sha256(payload).digest() == data[:_DIGEST_BYTES]:
            try:
                # The file lies in a folder that only this user can write, and its digest is right.
                return _rebuild(target, *pickle.loads(payload))  # noqa: S301
            except _UNREADABLE:
                pass
        _remove(path)
        return None

    def save_overload(self, signature: Any, result: Any) -> None:
        if any(not lifted.can_cache for lifted in result.lifted) or result.library.has_dynamic_globals:
            return
        path = self._path(signature, result.codegen)
        if path is None:
            return
        payload = _dumps(result._reduce())
        part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
        try:
            part.write_bytes(hashlib.sha256(payload).digest() + payload)
            part.replace(path)
        except OSError:
            _remove(part)

    def _path(self, signature: Any, codegen: Any) -> Path | None:
        folder = cache_folder()
        if folder is None:
            return None
        try:
            source = _source_digest(self._code.co_filename)
        except OSError:  # a zip, a frozen program: no file to read, so nothing says when the source changed
            source = b""
        if not source:
            return None
        options = (_config.BOUNDSCHECK, _config.OPT, _config.DEBUGINFO_DEFAULT)
        key = repr(
            (self._code.co_firstlineno, str(signature), codegen.magic_tuple(), options, sys.version_info)
        )
        digest = hashlib.sha256(source + self._code.co_code + key.encode()).hexdigest()
        return folder / f"{self._name}-{digest[:32]}.kernel"


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return
