package main

import (
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// checkDashboards refuses files with a field that is unknown to Grafana's schema, of the wrong type, or missing.
func checkDashboards(files []string) error {
	// Panels and queries have schemas of their own.
	plugins.RegisterDefaultPlugins()
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var read dashboard.Dashboard
		for _, err := range []error{read.UnmarshalJSONStrict(text), read.Validate()} {
			// An empty list of errors comes as an error without words.
			if err != nil && err.Error() != "" {
				return fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	return nil
}
