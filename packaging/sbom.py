"""Completes a bill of materials of cargo-cyclonedx: sbom.py BOM LINKED TREE NAME VERSION LICENCE PURL [NAME VERSION ...].

Leaves only the packages that the file LINKED lists, as `cargo tree` prints them: cargo-cyclonedx lists as well what is only
compiled, and what the features of other members of the workspace ask for. Takes the folder TREE out of references, which
would otherwise differ from machine to machine. Adds what cargo does not know: the libraries that come with the compiler.
"""

import json
import sys


def main(bom, linked, tree, *more):
    """Writes the completed bill to standard output."""
    with open(linked, encoding="utf-8") as file:
        contained = {tuple(line.split()[:2]) for line in file if line.strip()}
    with open(bom, encoding="utf-8") as file:
        whole = json.loads(file.read().replace(f"file://{tree}", "file://"))
    whole["components"] = [one for one in whole["components"] if (one["name"], f"v{one['version']}") in contained]
    whole["components"] += [
        {"type": "library", "bom-ref": purl, "name": name, "version": version, "scope": "required", "purl": purl,
         "licenses": [{"expression": licence}]}
        for name, version, licence, purl in zip(*[iter(more)] * 4, strict=True)
    ]
    known = {one["bom-ref"] for one in [whole["metadata"]["component"], *whole["components"]]}
    whole["dependencies"] = [
        {"ref": one["ref"], "dependsOn": [ref for ref in one.get("dependsOn", []) if ref in known]}
        for one in whole["dependencies"] if one["ref"] in known
    ]
    json.dump(whole, sys.stdout, indent=2)
    print()


main(*sys.argv[1:])
