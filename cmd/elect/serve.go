// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"

	"github.com/spf13/cobra"

	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/page"
)

func newServeCommand(g *global) *cobra.Command {
	var (
		listen     string
		allowEvict bool
		hosts      []string
	)
	cmd := &cobra.Command{
		Use:   "serve [PREFIX]",
		Short: "Serve a page that shows the elections live",
		Long: `Serve a page that shows the elections whose names begin with PREFIX, or all, live:
who leads, who waits in which order, how long the leases have left, and who led
when since the server started.

The server has one watch on etcd for all browsers. It asks for the time that
leases have left while somebody looks, each at most every three seconds and no more
than 100 a second; with more leases than that, less often. Without a
PREFIX the watch brings all that is written to etcd, so give one on a busy cluster.

The page is for who can reach the address. There is no TLS and no login, and
names and values of elections are what your services put there. It is on loopback
if --listen does not say else. To show it to others, put a proxy before it that
asks who they are, and name by --host the host names that it is known by;
requests for other names than localhost and IP addresses are refused, so that no
other site can read the page by way of a browser.

The page cannot change anything unless --allow-evict is given. Then who can reach
it can take the lead away from candidates under PREFIX, after a confirmation; the
requests of other sites' pages are refused.

` + exitHelp(exitOK, exitFailed, exitUsage, exitEtcd) + `

To be interrupted is its regular end, with 0.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			prefix := ""
			if len(args) > 0 {
				prefix = args[0]
			}
			client, err := g.client()
			if err != nil {
				return err
			}
			defer client.Close()
			ctx := cmd.Context()
			l, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
			if err != nil {
				return fmt.Errorf("%w: give another address by --listen", err)
			}
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			server := page.New(page.Config{Client: client, Prefix: prefix, AllowEvict: allowEvict, Hosts: hosts, Logger: log})
			if err := announce(cmd.OutOrStdout(), g.format, l.Addr()); err != nil {
				l.Close()
				return err
			}
			if ip := l.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
				log.Warn("the page is not on loopback: whoever reaches it can read it", "address", l.Addr(), "evictions", allowEvict)
			}
			return server.Serve(ctx, l)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:2390", "the `ADDRESS` to serve at; port 0 takes a free one")
	cmd.Flags().BoolVar(&allowEvict, "allow-evict", false, "let the page take candidates out of their queues")
	cmd.Flags().StringSliceVar(&hosts, "host", nil, "host `NAME` by which browsers may ask for the page, besides localhost and IP addresses")
	return cmd
}

// announce prints where the page is.
func announce(out io.Writer, format string, addr net.Addr) error {
	url := "http://" + addr.String()
	if a := addr.(*net.TCPAddr); a.IP.IsUnspecified() {
		url = fmt.Sprintf("http://localhost:%d", a.Port)
	}
	if format == "json" {
		return writeJSON(out, struct {
			URL string `json:"url"`
		}{url})
	}
	_, err := fmt.Fprintf(out, "serving %s\n", url)
	return err
}
