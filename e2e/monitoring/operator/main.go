// Command monitors says what the Prometheus operator makes of manifests: it reads ServiceMonitors, PodMonitors and PrometheusRules
// from standard input, refuses what the operator would refuse, and prints the configuration that it would give to Prometheus. With
// arguments, it says whether these files are dashboards by Grafana's schema.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus-operator/prometheus-operator/pkg/assets"
	"github.com/prometheus-operator/prometheus-operator/pkg/operator"
	"github.com/prometheus-operator/prometheus-operator/pkg/prometheus"
	"github.com/prometheus/common/model"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

func main() {
	if len(os.Args) > 1 {
		if err := checkDashboards(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	configuration, err := generate(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_, _ = os.Stdout.Write(configuration)
}

func generate(manifests io.Reader) ([]byte, error) {
	// The operator parses expressions with the scheme of names that its Prometheus knows.
	model.NameValidationScheme = model.LegacyValidation //nolint:staticcheck
	services := map[string]*monitoringv1.ServiceMonitor{}
	pods := map[string]*monitoringv1.PodMonitor{}
	documents := yamlutil.NewYAMLReader(bufio.NewReader(manifests))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		var meta metav1.TypeMeta
		if err := yaml.Unmarshal(document, &meta); err != nil {
			return nil, err
		}
		switch meta.Kind {
		case monitoringv1.ServiceMonitorsKind:
			monitor := &monitoringv1.ServiceMonitor{}
			if err := yaml.UnmarshalStrict(document, monitor); err != nil {
				return nil, err
			}
			services[monitor.Namespace+"/"+monitor.Name] = monitor
		case monitoringv1.PodMonitorsKind:
			monitor := &monitoringv1.PodMonitor{}
			if err := yaml.UnmarshalStrict(document, monitor); err != nil {
				return nil, err
			}
			pods[monitor.Namespace+"/"+monitor.Name] = monitor
		case monitoringv1.PrometheusRuleKind:
			rule := &monitoringv1.PrometheusRule{}
			if err := yaml.UnmarshalStrict(document, rule); err != nil {
				return nil, err
			}
			if errs := operator.ValidateRule(rule.Spec); len(errs) > 0 {
				return nil, errors.Join(errs...)
			}
		}
	}
	server := &monitoringv1.Prometheus{
		TypeMeta:   metav1.TypeMeta{APIVersion: monitoring.GroupName + "/v1", Kind: monitoringv1.PrometheusesKind},
		ObjectMeta: metav1.ObjectMeta{Namespace: "monitoring", Name: "e2e"},
	}
	generator, err := prometheus.NewConfigGenerator(slog.New(slog.DiscardHandler), server)
	if err != nil {
		return nil, err
	}
	return generator.GenerateServerConfiguration(
		server, services, pods, nil, nil, assets.NewTestStoreBuilder(), nil, nil, nil, nil)
}
