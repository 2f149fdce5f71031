// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package page

import (
	"embed"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
)

//go:embed assets
var assets embed.FS

// handler serves the page, its assets, its stream and, if allowed, evictions.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", asset("index.html"))
	mux.HandleFunc("GET /page.js", asset("page.js"))
	mux.HandleFunc("GET /page.css", asset("page.css"))
	mux.HandleFunc("GET /icon.svg", asset("icon.svg"))
	mux.HandleFunc("GET /events", s.stream)
	mux.HandleFunc("POST /evict", s.evict)
	return s.guard(mux)
}

func asset(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, assets, "assets/"+name) }
}

// policy lets the page use its own script, style and stream, and nothing else. It
// forbids the script all ways in which a text could become code.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// guard refuses requests that were made in the name of another site, and tells the
// browser what the page may do.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !s.knows(r.Host) {
			http.Error(w, fmt.Sprintf("this page is not served as %q: start elect serve with --host to allow that name", r.Host),
				http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// knows reports whether the page may be asked for by the name of a host. Somebody
// else's name may be made to lead here, and that somebody's page, open in a browser
// that reaches us, would then count as ours. That takes a name: an address is what
// it is.
func (s *Server) knows(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	return host == "localhost" || net.ParseIP(host) != nil ||
		slices.ContainsFunc(s.cfg.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
}
