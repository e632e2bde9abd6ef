package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	gitopsdiff "github.com/argoproj/argo-cd/gitops-engine/pkg/diff"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync"
	synccommon "github.com/argoproj/argo-cd/gitops-engine/pkg/sync/common"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync/resource"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/kube"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/tracing"
	"github.com/argoproj/argo-cd/v3/common"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/argo"
	argodiff "github.com/argoproj/argo-cd/v3/util/argo/diff"
	"github.com/argoproj/argo-cd/v3/util/argo/normalizers"
	"github.com/argoproj/argo-cd/v3/util/lua"
	jsonpatch "github.com/evanphx/json-patch"
	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/rest"
)

// The name of the Application under test.
const appName = "orders"

// How often a sync is looked at before it counts as stuck.
const syncLooks = 10

type argoEngine struct {
	app     v1alpha1.Application
	config  *rest.Config
	source  Source
	kubectl *kube.KubectlCmd
	parser  *managedfields.GvkParser
	syncs   int
}

// argoCD compares and syncs as Argo CD's application controller does (CompareAppState and SyncAppState in its package
// controller), each round as if somebody had pressed Sync: a self-heal would sync only what is out of sync.
func argoCD(config *rest.Config, source Source, settings string) (Engine, error) {
	engine := &argoEngine{config: config, source: source}
	if err := read(settings, &engine.app); err != nil {
		return nil, err
	}
	engine.app.Name = appName
	if engine.app.Spec.SyncPolicy == nil {
		engine.app.Spec.SyncPolicy = &v1alpha1.SyncPolicy{}
	}
	// Nothing that only an Application can say may be lost on the way to the engine.
	for _, option := range engine.app.Spec.SyncPolicy.SyncOptions {
		if !known[option] {
			return nil, fmt.Errorf("sync option %s is not handed to the engine", option)
		}
	}
	engine.kubectl = &kube.KubectlCmd{Log: logr.Discard(), Tracer: tracing.NopTracer{}}
	_, parser, err := engine.kubectl.LoadOpenAPISchema(config)
	if err != nil {
		return nil, fmt.Errorf("no schema: %w", err)
	}
	engine.parser = parser
	return engine.round, nil
}

const respectIgnoreDifferences = "RespectIgnoreDifferences=true"

var known = map[string]bool{
	respectIgnoreDifferences:                true,
	synccommon.SyncOptionServerSideApply:    true,
	synccommon.SyncOptionReplace:            true,
	synccommon.SyncOptionForce:              true,
	synccommon.SyncOptionApplyOutOfSyncOnly: true,
}

func (e *argoEngine) has(option string) bool {
	return e.app.Spec.SyncPolicy.SyncOptions.HasOption(option)
}

func (e *argoEngine) round(ctx context.Context, _ []byte) (any, error) {
	state, err := e.state(ctx)
	if err != nil {
		return nil, err
	}
	config, cleanup, err := e.diffConfig()
	if err != nil {
		return nil, err
	}
	defer cleanup()
	found, err := argodiff.StateDiffs(state.Live, state.Target, config)
	if err != nil {
		return nil, fmt.Errorf("not compared: %w", err)
	}
	said, err := e.sync(state, config, found)
	if err != nil {
		return nil, err
	}
	return Answer{InSync: !found.Modified, Difference: differences(found), Said: said}, nil
}

// state reads what Git has, marked as the Application's, and what the cluster has of it.
func (e *argoEngine) state(ctx context.Context) (sync.ReconciliationResult, error) {
	state := sync.ReconciliationResult{}
	objects, err := e.source.objects()
	if err != nil {
		return state, err
	}
	tracking := argo.NewResourceTracking()
	for _, object := range objects {
		err := tracking.SetAppInstance(object, common.LabelKeyAppInstance, appName, e.source.namespace, v1alpha1.TrackingMethodAnnotation, "")
		if err != nil {
			return state, err
		}
		live, err := e.kubectl.GetResource(ctx, e.config, object.GroupVersionKind(), object.GetName(), object.GetNamespace())
		if apierrors.IsNotFound(err) {
			live = nil
		} else if err != nil {
			return state, err
		}
		state.Target, state.Live = append(state.Target, object), append(state.Live, live)
	}
	return state, nil
}

func (e *argoEngine) diffConfig() (argodiff.DiffConfig, func(), error) {
	builder := argodiff.NewDiffConfigBuilder().
		WithDiffSettings(e.app.Spec.IgnoreDifferences, nil, false, normalizers.IgnoreNormalizerOpts{}).
		WithTracking(common.LabelKeyAppInstance, string(v1alpha1.TrackingMethodAnnotation)).
		WithNoCache().
		WithGVKParser(e.parser).
		WithManager(common.ArgoCDSSAManager).
		WithStructuredMergeDiff(e.has(synccommon.SyncOptionServerSideApply))
	cleanup := func() {}
	compares := func(option string) bool {
		return resource.HasAnnotationOption(&e.app, common.AnnotationCompareOptions, option)
	}
	builder.WithIgnoreMutationWebhook(!compares("IncludeMutationWebhook=true"))
	if compares("ServerSideDiff=true") {
		applier, remove, err := e.kubectl.ManageServerSideDiffDryRuns(e.config)
		if err != nil {
			return nil, nil, err
		}
		cleanup = remove
		builder.WithServerSideDiff(true).WithServerSideDryRunner(gitopsdiff.NewK8sServerSideDryRunner(applier))
	}
	config, err := builder.Build()
	return config, cleanup, err
}

func (e *argoEngine) sync(state sync.ReconciliationResult, config argodiff.DiffConfig, found *gitopsdiff.DiffResultList) (string, error) {
	if e.has(respectIgnoreDifferences) {
		targets, err := withIgnored(state, config)
		if err != nil {
			return "", err
		}
		state.Target = targets
	}
	e.syncs++
	operation, cleanup, err := sync.NewSyncContext(fmt.Sprintf("revision-%d", e.syncs), state, e.config, e.config, e.kubectl, e.source.namespace,
		sync.WithLogr(logr.Discard()),
		sync.WithHealthOverride(lua.ResourceHealthOverrides(nil)),
		sync.WithOperationSettings(false, false, e.has(synccommon.SyncOptionForce), false),
		sync.WithManifestValidation(true),
		sync.WithResourceModificationChecker(e.has(synccommon.SyncOptionApplyOutOfSyncOnly), found),
		sync.WithReplace(e.has(synccommon.SyncOptionReplace)),
		sync.WithServerSideApply(e.has(synccommon.SyncOptionServerSideApply)),
		sync.WithServerSideApplyManager(common.ArgoCDSSAManager),
		sync.WithClientSideApplyMigration(true, synccommon.DefaultClientSideApplyMigrationManager),
	)
	if err != nil {
		return "", err
	}
	defer cleanup()
	for range syncLooks {
		operation.Sync()
		phase, message, results := operation.GetState()
		if !phase.Completed() {
			continue
		}
		said := []string{message}
		for _, result := range results {
			said = append(said, result.Message)
		}
		if !phase.Successful() {
			return "", errors.New(strings.Join(said, "; "))
		}
		return strings.Join(said, "; "), nil
	}
	return "", errors.New("the sync does not end")
}

// withIgnored copies ignored fields from the cluster into what is synced, as Argo CD does for kinds without a Go type
// (normalizeTargetResources in its package controller, which does not export it).
func withIgnored(state sync.ReconciliationResult, config argodiff.DiffConfig) ([]*unstructured.Unstructured, error) {
	normal, err := argodiff.Normalize(state.Live, state.Target, config)
	if err != nil {
		return nil, err
	}
	var targets []*unstructured.Unstructured
	for i, live := range state.Live {
		target := normal.Targets[i]
		if live != nil {
			if target, err = merged(target, normal.Lives[i], live); err != nil {
				return nil, err
			}
		}
		targets = append(targets, target)
	}
	return targets, nil
}

// merged is the target with what leads from the normalised live object back to the live one, its status left out.
func merged(target, normal, live *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	var documents [][]byte
	for _, object := range []*unstructured.Unstructured{normal, live, target} {
		object = object.DeepCopy()
		if object.GetUID() != "" {
			unstructured.RemoveNestedField(object.Object, "status")
		}
		document, err := object.MarshalJSON()
		if err != nil {
			return nil, err
		}
		documents = append(documents, document)
	}
	patch, err := jsonpatch.CreateMergePatch(documents[0], documents[1])
	if err != nil {
		return nil, err
	}
	document, err := jsonpatch.MergePatch(documents[2], patch)
	if err != nil {
		return nil, err
	}
	result := &unstructured.Unstructured{}
	return result, result.UnmarshalJSON(document)
}

func differences(found *gitopsdiff.DiffResultList) string {
	var all []string
	for _, difference := range found.Diffs {
		if !difference.Modified {
			continue
		}
		patch, err := jsonpatch.CreateMergePatch(difference.NormalizedLive, difference.PredictedLive)
		if err != nil {
			patch = []byte(err.Error())
		}
		all = append(all, string(patch))
	}
	return strings.Join(all, "\n")
}

// Health is what Argo CD shows of an object.
type Health struct {
	Status  string `json:"status"`
	Message string `json:"message,omitempty"`
}

// health runs Argo CD's health check of each object: its own, or that of an argocd-cm.
func health(settings string) (Engine, error) {
	config := struct {
		Data map[string]string `json:"data"`
	}{}
	if err := read(settings, &config); err != nil {
		return nil, err
	}
	overrides := lua.ResourceHealthOverrides{}
	for key, value := range config.Data {
		setting, kind, _ := strings.Cut(strings.TrimPrefix(key, "resource.customizations."), ".")
		kind = strings.Replace(kind, "_", "/", 1)
		override := overrides[kind]
		switch setting {
		case "health":
			override.HealthLua = value
		case "useOpenLibs":
			override.UseOpenLibs = value == "true"
		default:
			return nil, fmt.Errorf("%s: no health check", key)
		}
		overrides[kind] = override
	}
	return func(_ context.Context, line []byte) (any, error) {
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(line); err != nil {
			return nil, err
		}
		status, err := overrides.GetResourceHealth(object)
		if err != nil {
			return nil, err
		}
		if status == nil {
			return nil, errors.New("no health is known of this kind")
		}
		return Health{Status: string(status.Status), Message: status.Message}, nil
	}, nil
}
