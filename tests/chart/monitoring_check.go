// Reads one object of monitoring.coreos.com as JSON or YAML on standard input into the operator's type of its kind,
// and fails where it holds a field that the type has not.
package main

import (
	"fmt"
	"io"
	"os"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

func check(text []byte) error {
	var head struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if err := yaml.Unmarshal(text, &head); err != nil {
		return err
	}
	if head.APIVersion != "monitoring.coreos.com/v1" {
		return fmt.Errorf("%q is not monitoring.coreos.com/v1", head.APIVersion)
	}
	var object any
	switch head.Kind {
	case "PodMonitor":
		object = &monitoring.PodMonitor{}
	case "PrometheusRule":
		object = &monitoring.PrometheusRule{}
	case "ServiceMonitor":
		object = &monitoring.ServiceMonitor{}
	default:
		return fmt.Errorf("kind %q is not known here", head.Kind)
	}
	return yaml.UnmarshalStrict(text, object)
}

func main() {
	text, err := io.ReadAll(os.Stdin)
	if err == nil {
		err = check(text)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "monitoring-check:", err)
		os.Exit(1)
	}
}
