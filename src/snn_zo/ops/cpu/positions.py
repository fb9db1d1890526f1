"""Where flags are set: the positions of a few elements among many, without a branch on each of them."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

LANES = 16
"""Flags that are looked at together; lists of positions need so much room behind their last entry."""

COMPRESSES = "+avx512f" in cpu_target.target_context.codegen().magic_tuple()[2]
"""Whether the processor packs the chosen lanes of a register in one instruction, which is 3 to 10 times faster."""


@numba.njit(nogil=True, cache=True, inline="always")
def flags(size: int) -> Any:
    """At least `size` bytes that are 0, in whole groups of lanes."""
    return np.zeros(LANES * ((size + LANES - 1) // LANES), np.uint8)


@intrinsic
def _append_group(typing_context: Any, out: Any, count: Any, flag: Any, first: Any, start: Any) -> Any:
    """Write `start` plus the positions of the flags that are 1, of the group that begins at `first`, from out[count]
    on; their number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = {bits: ir.VectorType(ir.IntType(bits), LANES) for bits in (1, 8, 32)}
        list_, flag_ = (context.make_array(signature.args[i])(context, builder, arguments[i]).data for i in (0, 2))
        group = builder.load(builder.bitcast(builder.gep(flag_, [arguments[3]]), lanes[8].as_pointer()))
        group.align = 1
        chosen = builder.icmp_unsigned("!=", group, ir.Constant(lanes[8], [0] * LANES))
        start = builder.trunc(builder.add(arguments[3], arguments[4]), ir.IntType(32))
        start = builder.insert_element(ir.Constant(lanes[32], ir.Undefined), start, ir.IntType(32)(0))
        start = builder.shuffle_vector(start, start, ir.Constant(lanes[32], [0] * LANES))
        position = builder.add(start, ir.Constant(lanes[32], list(range(LANES))))
        name = f"llvm.x86.avx512.mask.compress.v{LANES}i32"
        kind = ir.FunctionType(lanes[32], [lanes[32], lanes[32], lanes[1]])
        compress = cgutils.get_or_insert_function(builder.module, kind, name)
        packed = builder.call(compress, [position, ir.Constant(lanes[32], [0] * LANES), chosen])
        place = builder.bitcast(builder.gep(list_, [arguments[1]]), lanes[32].as_pointer())
        builder.store(packed, place).align = 4
        return builder.zext(builder.ctpop(builder.bitcast(chosen, ir.IntType(LANES))), ir.IntType(64))

    return types.int64(out, types.int64, flag, types.int64, types.int64), generate


@numba.njit(nogil=True, cache=True, inline="always")
def positions_packed(flag: Any, out: Any, count: int, start: int) -> int:
    """`positions` on a processor that packs lanes."""
    for first in range(0, len(flag), LANES):
        count += _append_group(out, count, flag, first, start)  # type: ignore[call-arg]
    return count


@numba.njit(nogil=True, cache=True, inline="always")
def positions_pushed(flag: Any, out: Any, count: int, start: int) -> int:
    """`positions` on any processor: eight flags that are all 0 are passed over in one comparison, of eight others each
    position is written, and the next one over it unless it was to stay."""
    words = flag.view(np.uint64)
    for j in range(len(words)):
        if words[j] != 0:
            for i in range(8 * j, 8 * j + 8):
                out[count] = start + i
                count += flag[i]
    return count


positions = positions_packed if COMPRESSES else positions_pushed
"""positions(flag, out, count, start): write `start` plus the positions of the flags that are 1, which `flags` made,
behind the first `count` of `out`, 32-bit numbers with room for LANES more than are found; the new count."""
