// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is what a build says of itself; empty where it was not told.
type version struct {
	Version  string `json:"version"` // of the module; "(devel)" in a build from a working copy
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`
	Modified bool   `json:"modified,omitempty"` // with changes that are not in Revision
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Etcd     string `json:"etcd_client,omitempty"`
}

func newVersionCommand(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this build",
		Long: `Print the version of this build, of the Go that built it, and of the etcd client in
it. With -o json that is one object.

` + exitHelp(exitOK, exitFailed, exitUsage),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			info, ok := debug.ReadBuildInfo()
			if !ok {
				return errors.New("this build tells nothing of itself: build it with Go modules")
			}
			v := versionOf(info)
			if g.format == "json" {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(v)
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), v)
			return err
		},
	}
}

func versionOf(info *debug.BuildInfo) version {
	settings := make(map[string]string)
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	v := version{
		Version:  cmp.Or(info.Main.Version, "(devel)"),
		Revision: settings["vcs.revision"],
		Time:     settings["vcs.time"],
		Modified: settings["vcs.modified"] == "true",
		Go:       info.GoVersion,
		Platform: settings["GOOS"] + "/" + settings["GOARCH"],
	}
	for _, dep := range info.Deps {
		if dep.Path == "go.etcd.io/etcd/client/v3" {
			v.Etcd = dep.Version
		}
	}
	return v
}

func (v version) String() string {
	s := "elect " + v.Version
	if v.Revision != "" {
		s += " " + v.Revision[:min(12, len(v.Revision))]
		if v.Modified {
			s += "+changes"
		}
	}
	return fmt.Sprintf("%s, %s, %s, etcd client %s", s, v.Go, v.Platform, cmp.Or(v.Etcd, "unknown"))
}
