"""`assistant devices`: what sound devices there are."""

import argparse

from actors.audio.device import devices


def main(_options: argparse.Namespace) -> int:
    """Prints a table of devices."""
    found = devices()
    if not found:
        print("There are no sound devices. The demo, --input and --output need none.")
        return 0
    print(f"{'no.':>4}  {'in':>3}  {'out':>3}  {'rate':>6}  name")
    for device in found:
        uses = [kind for kind in ("input", "output") if device.is_default(kind)]
        default = f"  (default {' and '.join(uses)})" if uses else ""
        name = f"{device.name}, {device.api}{default}"
        print(f"{device.number:>4}  {device.inputs:>3}  {device.outputs:>3}  {device.rate:>6.0f}  {name}")
    print("Choose by number, or by words of the name:")
    print("  --set actors.microphone.device=NUMBER  --set 'actors.playback.device=NAME'")
    return 0
