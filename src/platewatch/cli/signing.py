"""Commands about keys and signatures: key."""

from pathlib import Path

import click

from platewatch.cli.shell import FOLDER


@click.command()
@click.argument("path", type=FOLDER, metavar="KEY")
def key(path: Path) -> None:
    """Make an Ed25519 key pair: the private key KEY, which signs, and the public key KEY.pub, which checks.

    The private key has mode 600. It belongs where people sign, not on the PC at the line. Prints the public key's
    file and the first 16 hexadecimal digits of its fingerprint.
    """
    from platewatch import signing

    made = signing.create(path)
    click.echo(f"{signing.public_path(path)}  {made.public.fingerprint[:16]}")
