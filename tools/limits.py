"""Bounds as a schema says them, and as arguments are held to them."""

import math

import attrs

from pipeline.errors import PlanError
from tools.values import Bounds, Misfit, Shape

NAMES = {"characters": ("minLength", "maxLength"), "items": ("minItems", "maxItems"), "number": ("minimum", "maximum")}


def bounded(base: Shape, bounds: Bounds) -> Shape:
    """Limits a number, or the length of a text or list; PlanError where there is nothing to limit, or no way to."""
    if not base.measured:
        raise PlanError(f"Bounds cannot limit {base.allowed}; they limit numbers, texts and lists")
    _check(base, bounds)
    ends = zip(NAMES[base.measured], (bounds.least, bounds.most), strict=True)
    limits = {name: end for name, end in ends if end is not None}
    unit = "" if base.measured == "number" else f" {base.measured} long"
    allowed = f"{base.allowed}, {bounds.words()}{unit}" if limits else base.allowed

    def take(value: object) -> object:
        try:
            taken = base.take(value)
        except Misfit as misfit:
            raise misfit if misfit.path else Misfit(value, allowed) from None
        if taken is not None and not bounds.holds(taken):
            raise Misfit(value, allowed)
        return taken

    return attrs.evolve(base, schema={**base.schema, **limits}, allowed=allowed, take=take)


def _check(base: Shape, bounds: Bounds) -> None:
    ends = [end for end in (bounds.least, bounds.most) if end is not None]
    if not all(map(math.isfinite, ends)) or sorted(ends) != ends:
        raise PlanError(f"{bounds} hold for no value; they are numbers, the least first and not above the most")
    lengths = base.measured != "number"
    if lengths and any(end < 0 or end != int(end) for end in ends):
        raise PlanError(f"{bounds} limit a length, so they must be whole numbers from 0 up")
