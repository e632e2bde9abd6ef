// Drives the engines of GitOps tools as their controllers do, so that tests can see what they make of filled jobs.
//
// usage: rounds ENGINE SETTINGS NAMESPACE MANIFESTS
//
// ENGINE is argo, flux, drift (what Flux's helm-controller corrects) or health (what Argo CD shows). SETTINGS is a file in the
// tool's own words: an Application, a Kustomization or a HelmRelease, of which what concerns the engine is read; empty for
// none. Each line on standard input asks for a round, and each round answers with one line of JSON. Of health each line is
// an object, and MANIFESTS and NAMESPACE are not read.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"

	ssautil "github.com/fluxcd/pkg/ssa/utils"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

// Answer is what came of a round.
type Answer struct {
	// InSync says whether the tool saw no difference before it did anything.
	InSync bool `json:"inSync"`
	// Difference is what it saw, in the engine's words.
	Difference string `json:"difference,omitempty"`
	// Said is what the engine said of what it did.
	Said string `json:"said,omitempty"`
	// Error is why it could not.
	Error string `json:"error,omitempty"`
}

// Engine answers a line with what is printed as JSON.
type Engine func(ctx context.Context, line []byte) (any, error)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 4 {
		return errors.New("usage: rounds ENGINE SETTINGS NAMESPACE MANIFESTS")
	}
	engine, err := engineOf(args[0], args[1], args[2], args[3])
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		answer, err := engine(ctx, lines.Bytes())
		if err != nil {
			answer = Answer{Error: err.Error()}
		}
		if err := answers.Encode(answer); err != nil {
			return err
		}
	}
	return lines.Err()
}

func engineOf(name, settings, namespace, manifests string) (Engine, error) {
	if name == "health" {
		return health(settings)
	}
	config, err := clientConfig()
	if err != nil {
		return nil, err
	}
	source := Source{namespace: namespace, folder: manifests}
	switch name {
	case "argo":
		return argoCD(config, source, settings)
	case "flux":
		return kustomizeController(config, source, settings)
	case "drift":
		return helmController(config, source, settings)
	default:
		return nil, fmt.Errorf("no engine is called %s", name)
	}
}

func clientConfig() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return nil, err
	}
	// Not what is tested, and a round has a dozen requests.
	config.QPS, config.Burst = 200, 400
	return config, nil
}

// Source is a checkout of Git: a folder of manifests, and the namespace they go to.
type Source struct {
	namespace, folder string
}

// objects reads the manifests as they are now.
func (s Source) objects() ([]*unstructured.Unstructured, error) {
	files, err := filepath.Glob(filepath.Join(s.folder, "*.yaml"))
	if err != nil {
		return nil, err
	}
	sort.Strings(files)
	var all []*unstructured.Unstructured
	for _, name := range files {
		objects, err := readFile(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, objects...)
	}
	for _, object := range all {
		if object.GetNamespace() == "" {
			object.SetNamespace(s.namespace)
		}
	}
	return all, nil
}

func readFile(name string) ([]*unstructured.Unstructured, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return ssautil.ReadObjects(io.Reader(file))
}

// read fills settings from a YAML file; a name that is empty says nothing.
func read(name string, settings any) error {
	if name == "" {
		return nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return yaml.UnmarshalStrict(text, settings)
}
