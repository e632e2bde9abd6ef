package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/jsondiff"
	"github.com/fluxcd/pkg/ssa/normalize"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	kustomizeManager = "kustomize-controller"
	kustomizeGroup   = "kustomize.toolkit.fluxcd.io"
	helmManager      = "helm-controller"
)

// Ignore is a rule of spec.ignore and spec.driftDetection.ignore.
type Ignore struct {
	Target *jsondiff.Selector `json:"target,omitempty"`
	Paths  []string           `json:"paths"`
}

// Kustomization is what of one concerns applying.
type Kustomization struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        metav1.ObjectMeta `json:"metadata"`
	Spec            struct {
		Ignore []Ignore `json:"ignore,omitempty"`
		Force  bool     `json:"force,omitempty"`
	} `json:"spec"`
	// Managers is no field of the kind: --override-manager of the controller.
	Managers []string `json:"overrideManagers,omitempty"`
}

// kustomizeController applies as Flux's kustomize-controller does (KustomizationReconciler.apply).
func kustomizeController(config *rest.Config, source Source, settings string) (Engine, error) {
	var kustomization Kustomization
	if err := read(settings, &kustomization); err != nil {
		return nil, err
	}
	api, err := client.New(config, client.Options{})
	if err != nil {
		return nil, err
	}
	manager := ssa.NewResourceManager(api, nil, ssa.Owner{Field: kustomizeManager, Group: kustomizeGroup})
	options := applyOptions(&kustomization)
	return func(ctx context.Context, _ []byte) (any, error) {
		objects, err := source.objects()
		if err != nil {
			return nil, err
		}
		if err := normalize.UnstructuredList(objects); err != nil {
			return nil, err
		}
		manager.SetOwnerLabels(objects, appName, "flux-system")
		changes, err := manager.ApplyAllStaged(ctx, objects, options)
		if err != nil {
			return nil, err
		}
		answer := Answer{InSync: true, Said: changes.String()}
		for _, change := range changes.Entries {
			answer.InSync = answer.InSync && change.Action == ssa.UnchangedAction
		}
		return answer, nil
	}, nil
}

func applyOptions(kustomization *Kustomization) ssa.ApplyOptions {
	options := ssa.DefaultApplyOptions()
	options.Force = kustomization.Spec.Force
	options.ExclusionSelector = map[string]string{kustomizeGroup + "/reconcile": "disabled", kustomizeGroup + "/ssa": "Ignore"}
	options.IfNotPresentSelector = map[string]string{kustomizeGroup + "/ssa": "IfNotPresent"}
	options.ForceSelector = map[string]string{kustomizeGroup + "/force": "enabled"}
	options.DriftIgnoreRules = rules(kustomization.Spec.Ignore)
	managers := []ssa.FieldManager{
		{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationApply},
		{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationUpdate},
		{Name: "before-first-apply", OperationType: metav1.ManagedFieldsOperationUpdate},
		{Name: kustomizeManager, OperationType: metav1.ManagedFieldsOperationUpdate},
	}
	for _, name := range kustomization.Managers {
		managers = append(managers,
			ssa.FieldManager{Name: name, OperationType: metav1.ManagedFieldsOperationApply},
			ssa.FieldManager{Name: name, OperationType: metav1.ManagedFieldsOperationUpdate})
	}
	options.Cleanup = ssa.ApplyCleanupOptions{
		Annotations:   []string{corev1.LastAppliedConfigAnnotation, kustomizeGroup + "/checksum", "fluxcd.io/sync-checksum"},
		Labels:        []string{"fluxcd.io/sync-gc-mark"},
		FieldManagers: managers,
		Exclusions:    map[string]string{kustomizeGroup + "/ssa": "Merge"},
	}
	return options
}

func rules(ignore []Ignore) []jsondiff.IgnoreRule {
	var rules []jsondiff.IgnoreRule
	for _, rule := range ignore {
		rules = append(rules, jsondiff.IgnoreRule{Paths: rule.Paths, Selector: rule.Target})
	}
	return rules
}

// HelmRelease is what of one concerns drift.
type HelmRelease struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        metav1.ObjectMeta `json:"metadata"`
	Spec            struct {
		DriftDetection struct {
			Mode   string   `json:"mode"`
			Ignore []Ignore `json:"ignore,omitempty"`
		} `json:"driftDetection"`
	} `json:"spec"`
}

// helmController detects and corrects drift as Flux's helm-controller does (Diff and ApplyDiff in its package action); the
// manifests stand for the release's.
func helmController(config *rest.Config, source Source, settings string) (Engine, error) {
	var release HelmRelease
	if err := read(settings, &release); err != nil {
		return nil, err
	}
	api, err := client.New(config, client.Options{})
	if err != nil {
		return nil, err
	}
	asked := []jsondiff.ListOption{
		jsondiff.FieldOwner(helmManager), jsondiff.Rationalize(true), jsondiff.Graceful(true),
		jsondiff.IgnoreRules(rules(release.Spec.DriftDetection.Ignore)),
	}
	return func(ctx context.Context, _ []byte) (any, error) {
		objects, err := source.objects()
		if err != nil {
			return nil, err
		}
		if err := normalize.UnstructuredListWithScheme(objects, api.Scheme()); err != nil {
			return nil, err
		}
		found, err := jsondiff.UnstructuredList(ctx, api, objects, asked...)
		if err != nil {
			return nil, err
		}
		answer := Answer{InSync: !found.HasChanges()}
		var all, said []string
		for _, drift := range found {
			if drift.Type != jsondiff.DiffTypeUpdate {
				continue
			}
			patch, err := json.Marshal(drift.Patch)
			if err != nil {
				return nil, err
			}
			all = append(all, string(patch))
			if release.Spec.DriftDetection.Mode != "enabled" {
				continue
			}
			object := drift.DesiredObject.DeepCopyObject().(client.Object)
			if err := api.Patch(ctx, object, client.RawPatch(types.JSONPatchType, patch), client.FieldOwner(helmManager)); err != nil {
				return nil, err
			}
			said = append(said, fmt.Sprintf("%s corrected", object.GetName()))
		}
		answer.Difference, answer.Said = strings.Join(all, "\n"), strings.Join(said, "; ")
		return answer, nil
	}, nil
}
