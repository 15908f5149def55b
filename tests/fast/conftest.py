"""The tests of the kernels run compiled code from the first call on."""

from __future__ import annotations

from annokit_fast import _jit

_jit.lose_patience()
