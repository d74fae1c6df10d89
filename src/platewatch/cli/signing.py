"""Commands about keys and signatures: key, sign."""

from pathlib import Path

import click

from platewatch.cli.shell import FOLDER
from platewatch.errors import ModelError


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


@click.command()
@click.argument("model", type=FOLDER)
@click.option("--key", "path", required=True, type=FOLDER, metavar="KEY", help="The private key.")
@click.option("--signer", default="", metavar="NAME", help="Who signs, for people; part of what is signed.")
def sign(model: Path, path: Path, signer: str) -> None:
    """Sign MODEL after verifying it; `serve` and `watch` can require it with --require-signature KEY.pub.

    Writes signature.json into MODEL, in place of an earlier one. It covers every file of MODEL and the signer's name.
    """
    from platewatch import signing
    from platewatch.model import signature, verification

    key = signing.private_key(path)
    if not verification.verify(model).passed:
        raise ModelError(model, "not signed: it does not pass 'platewatch verify'", remedy="see what that prints")
    made = signature.sign(model, key, signer)
    click.echo(f"{model}: signed by {made.key.fingerprint[:16]}{signer and f' ({signer})'}")
