// Packs a folder as a container image: `assemble -name flink-remedy:0.1.0 -platform linux/amd64 -created 0 -annotation K=V
// -out FILE FOLDER` writes an archive that is an OCI layout and, for older Docker, what `docker load` reads as well.
// The same folder and flags give the same bytes: files belong to root, are as old as -created and sorted by path.
package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The user that distroless images call nonroot; a number, since Kubernetes' runAsNonRoot cannot look a name up.
const user = "65532:65532"

// What the image is, apart from its files.
type spec struct {
	name        string
	platform    *v1.Platform
	created     time.Time
	annotations map[string]string
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("assemble: ")
	annotations := map[string]string{}
	ref := flag.String("name", "", "repository and tag")
	platform := flag.String("platform", "", "such as linux/amd64")
	created := flag.Int64("created", 0, "seconds since 1970 that the image and its files are dated")
	out := flag.String("out", "", "the archive to write")
	flag.Func("annotation", "KEY=VALUE, both a label of the configuration and an annotation of the manifest", func(pair string) error {
		key, value, found := strings.Cut(pair, "=")
		if !found {
			return fmt.Errorf("%q has no =", pair)
		}
		annotations[key] = value
		return nil
	})
	flag.Parse()
	parsed, err := v1.ParsePlatform(*platform)
	if err != nil || parsed.OS == "" || parsed.Architecture == "" || flag.NArg() != 1 || *ref == "" || *out == "" {
		log.Fatal("-name, -platform OS/ARCHITECTURE, -out and one FOLDER are needed")
	}
	what := spec{*ref, parsed, time.Unix(*created, 0).UTC(), annotations}
	if err := assemble(what, flag.Arg(0), *out); err != nil {
		log.Fatal(err)
	}
}

func assemble(what spec, root, out string) error {
	tag, err := name.NewTag(what.name)
	if err != nil {
		return err
	}
	image, err := imageOf(what, root)
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp(filepath.Dir(out), ".assemble-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	index, err := layout.Write(folder, empty.Index)
	if err != nil {
		return err
	}
	// containerd and Kubernetes know an image by its full name, and Docker's registry by a short one.
	registry := strings.Replace(tag.RegistryStr(), name.DefaultRegistry, "docker.io", 1)
	names := map[string]string{
		"io.containerd.image.name":          registry + "/" + tag.RepositoryStr() + ":" + tag.TagStr(),
		"org.opencontainers.image.ref.name": tag.TagStr(),
	}
	if err := index.AppendImage(image, layout.WithAnnotations(names), layout.WithPlatform(*what.platform)); err != nil {
		return err
	}
	if err := describeToDocker(what.name, image, filepath.Join(folder, "manifest.json")); err != nil {
		return err
	}
	file, err := os.Create(out)
	if err != nil {
		return err
	}
	if err := pack(folder, what.created, file); err != nil {
		return err
	}
	return file.Close()
}

func imageOf(what spec, root string) (v1.Image, error) {
	var packed bytes.Buffer
	if err := pack(root, what.created, &packed); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed.Bytes())), nil }
	layer, err := tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	created := v1.Time{Time: what.created}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.Append(image, mutate.Addendum{
		Layer:   layer,
		History: v1.History{Created: created, CreatedBy: "assemble", Comment: "the files of " + what.name},
	})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Variant = what.platform.OS, what.platform.Architecture, what.platform.Variant
	config.Created = created
	config.Config = v1.Config{
		User: user,
		// docs/adr/0012: glibc would keep an arena for each thread, and each keeps what lists leave behind.
		Env:        []string{"MALLOC_ARENA_MAX=1"},
		Entrypoint: []string{"/flink-remedy"},
		WorkingDir: "/",
		Labels:     what.annotations,
	}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return nil, err
	}
	return mutate.Annotations(image, what.annotations).(v1.Image), nil
}

// What `docker load` of Docker before 25 reads instead of index.json.
func describeToDocker(ref string, image v1.Image, out string) error {
	manifest, err := image.Manifest()
	if err != nil {
		return err
	}
	blob := func(digest v1.Hash) string { return path.Join("blobs", digest.Algorithm, digest.Hex) }
	described := tarball.Descriptor{Config: blob(manifest.Config.Digest), RepoTags: []string{ref}}
	for _, layer := range manifest.Layers {
		described.Layers = append(described.Layers, blob(layer.Digest))
	}
	content, err := json.Marshal(tarball.Manifest{described})
	if err != nil {
		return err
	}
	return os.WriteFile(out, content, 0o644)
}

// Packs what lies in the folder; fs.WalkDir goes through it in the order of names.
func pack(root string, changed time.Time, out io.Writer) error {
	packed := tar.NewWriter(out)
	folder := os.DirFS(root)
	err := fs.WalkDir(folder, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		header := &tar.Header{Name: name, ModTime: changed, Format: tar.FormatPAX}
		if entry.IsDir() {
			header.Typeflag, header.Name, header.Mode = tar.TypeDir, name+"/", 0o755
			return packed.WriteHeader(header)
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is neither a file nor a folder", name)
		}
		header.Typeflag, header.Size, header.Mode = tar.TypeReg, info.Size(), 0o644
		if info.Mode()&0o100 != 0 {
			header.Mode = 0o755
		}
		if err := packed.WriteHeader(header); err != nil {
			return err
		}
		content, err := fs.ReadFile(folder, name)
		if err != nil {
			return err
		}
		_, err = packed.Write(content)
		return err
	})
	if err != nil {
		return err
	}
	return packed.Close()
}
