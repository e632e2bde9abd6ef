// Fills four options of every FlinkDeployment of a namespace, the way an operator is usually written with
// controller-runtime: a typed cache of whole objects, one look a job, a server-side apply and an Event where something is
// absent. The bench measures flink-remedy beside it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const manager = "peer"

var kind = schema.GroupVersionKind{Group: "flink.apache.org", Version: "v1beta1", Kind: "FlinkDeployment"}

// Absent options are given these values.
var fills = map[string]string{
	"execution.checkpointing.incremental":                       "true",
	"execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
	"metrics.reporter.prom.factory.class":                       "org.apache.flink.metrics.prometheus.PrometheusReporterFactory",
	"metrics.reporter.prom.port":                                "9249",
}

type reconciler struct {
	client.Client
	events events.EventRecorder
}

func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	job := &unstructured.Unstructured{}
	job.SetGroupVersionKind(kind)
	if err := r.Get(ctx, request.NamespacedName, job); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	present, _, err := unstructured.NestedMap(job.Object, "spec", "flinkConfiguration")
	if err != nil {
		return ctrl.Result{}, err
	}
	absent := map[string]any{}
	for key, value := range fills {
		if _, ok := present[key]; !ok {
			absent[key] = value
		}
	}
	if len(absent) == 0 {
		return ctrl.Result{}, nil
	}
	filled := &unstructured.Unstructured{Object: map[string]any{
		"spec": map[string]any{"flinkConfiguration": absent},
	}}
	filled.SetGroupVersionKind(kind)
	filled.SetNamespace(job.GetNamespace())
	filled.SetName(job.GetName())
	apply := client.ApplyConfigurationFromUnstructured(filled)
	if err := r.Apply(ctx, apply, client.FieldOwner(manager)); err != nil {
		return ctrl.Result{}, err
	}
	r.events.Eventf(job, nil, corev1.EventTypeNormal, "Filled", "Fill", "filled %d options", len(absent))
	return ctrl.Result{}, nil
}

func run() error {
	namespace := flag.String("namespace", "", "whose jobs are filled")
	workers := flag.Int("workers", 1, "looks at the same time; 1 is controller-runtime's default")
	flag.Parse()
	ctrl.SetLogger(zap.New())
	runner, err := ctrl.NewManager(ctrl.GetConfigOrDie(), ctrl.Options{
		Cache:   cache.Options{DefaultNamespaces: map[string]cache.Config{*namespace: {}}},
		Metrics: server.Options{BindAddress: "0"},
	})
	if err != nil {
		return err
	}
	watched := &unstructured.Unstructured{}
	watched.SetGroupVersionKind(kind)
	err = ctrl.NewControllerManagedBy(runner).
		For(watched).
		WithOptions(controller.Options{MaxConcurrentReconciles: *workers}).
		Complete(&reconciler{Client: runner.GetClient(), events: runner.GetEventRecorder(manager)})
	if err != nil {
		return err
	}
	return runner.Start(ctrl.SetupSignalHandler())
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}
