"""Packs a folder as an image: archive.py FOLDER NAME ENTRYPOINT OUT writes an archive as `ctr images import` reads it.

NAME is such as localhost/flink:1.18. Files belong to root, their times are left out: the same folder gives the same image.
"""

import hashlib
import io
import json
import sys
import tarfile

PATH = "/opt/flink/bin:/opt/java/bin:/usr/bin:/bin"


def plain(entry):
    """Leaves out of a file's entry what differs from machine to machine."""
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = "root"
    return entry


def layer_of(folder):
    """The one layer, as bytes."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(folder, arcname=".", filter=plain)
    return packed.getvalue()


def main(folder, name, entrypoint, out):
    """Writes the archive."""
    blobs = {}

    def blob(content, kind):
        digest = hashlib.sha256(content).hexdigest()
        blobs[digest] = content
        media_type = f"application/vnd.oci.image.{kind}"
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    def document(value, kind):
        return blob(json.dumps(value).encode(), kind)

    architecture = {"architecture": "amd64", "os": "linux"}
    layer = blob(layer_of(folder), "layer.v1.tar")
    config = {"Entrypoint": [entrypoint], "Env": [f"PATH={PATH}"], "WorkingDir": "/"}
    root = {"type": "layers", "diff_ids": [layer["digest"]]}
    config = document({**architecture, "config": config, "rootfs": root}, "config.v1+json")
    manifest = document({"schemaVersion": 2, "config": config, "layers": [layer]}, "manifest.v1+json")
    manifest |= {"platform": architecture, "annotations": {"io.containerd.image.name": name}}
    index = json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode()

    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": index}
    files |= {f"blobs/sha256/{digest}": content for digest, content in blobs.items()}
    with tarfile.open(out, "w") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


if __name__ == "__main__":
    main(*sys.argv[1:])
