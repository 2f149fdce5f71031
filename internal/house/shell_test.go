// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package house

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A shellCommand is one simple command of a script.
type shellCommand struct {
	line int // within the script, from 1
	args []string
}

var (
	assignment = regexp.MustCompile(`^[A-Za-z_]\w*=`)
	redirect   = regexp.MustCompile(`^\d*(>>?|<|<<<|>&|&>)(.*)$`)
	hereDoc    = regexp.MustCompile(`^<<-?(.+)$`)
)

// keywords are words before which or behind which a command stands.
var keywords = []string{"if", "then", "else", "elif", "fi", "while", "until", "do", "done", "!", "{", "}", "time"}

// shellCommands splits a script into its simple commands, without what surrounds them: assignments, redirections,
// comments, here-documents and keywords. Quotes are taken off. Of a pipeline or a list each command is one. What stands
// in $(…) stays part of its word.
func shellCommands(script string) []shellCommand {
	var commands []shellCommand
	var args []string
	var word strings.Builder
	inWord, line, begin := false, 1, 1
	endWord := func() {
		if inWord {
			if len(args) == 0 {
				begin = line
			}
			args = append(args, word.String())
			word.Reset()
			inWord = false
		}
	}
	var until string // where the here-document ends that begins with the next line
	endCommand := func() {
		endWord()
		args, until = simple(args)
		if len(args) > 0 {
			commands = append(commands, shellCommand{begin, args})
		}
		args = nil
	}
	for i := 0; i < len(script); i++ {
		switch c := script[i]; {
		case c == '\\' && i+1 < len(script) && script[i+1] == '\n':
			i++
			endWord()
			line++
		case c == '\\' && i+1 < len(script):
			i++
			word.WriteByte(script[i])
			inWord = true
		case c == '\'' || c == '"':
			end := closing(script, i+1, c)
			word.WriteString(script[i+1 : end])
			inWord = true
			line += strings.Count(script[i:min(end+1, len(script))], "\n")
			i = end
		case c == '$' && i+1 < len(script) && script[i+1] == '(':
			end := closingParenthesis(script, i+2)
			word.WriteString(script[i:min(end+1, len(script))])
			inWord = true
			i = end
		case c == '#' && !inWord:
			for i+1 < len(script) && script[i+1] != '\n' {
				i++
			}
		case c == '\n':
			open := continues(script[:i])
			endCommand()
			line++
			if until != "" && !open {
				rest := script[i+1:]
				end := strings.Index("\n"+rest, "\n"+until+"\n")
				if end < 0 {
					return commands
				}
				skipped := rest[:end+len(until)]
				line += strings.Count(skipped, "\n")
				i += len(skipped)
			}
		case c == '&' && (strings.HasSuffix(word.String(), ">") || i+1 < len(script) && script[i+1] == '>'):
			word.WriteByte(c) // part of a redirection
			inWord = true
		case strings.IndexByte("|;&()", c) >= 0:
			endCommand()
		case c == ' ' || c == '\t':
			endWord()
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	endCommand()
	return commands
}

// continues reports whether what comes next belongs to the same line of the shell: a here-document then begins later.
func continues(script string) bool {
	script = strings.TrimRight(script, " \t")
	return strings.HasSuffix(script, "|") || strings.HasSuffix(script, "&&")
}

// simple takes off what is not the command itself, and returns with which line a here-document of it ends.
func simple(args []string) (command []string, until string) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case hereDoc.MatchString(arg) && !strings.HasPrefix(arg, "<<<"):
			until = hereDoc.FindStringSubmatch(arg)[1]
		case redirect.MatchString(arg):
			if redirect.FindStringSubmatch(arg)[2] == "" {
				i++ // the file is the next word
			}
		case len(command) == 0 && (assignment.MatchString(arg) || slices.Contains(keywords, arg)):
		case len(command) == 0 && arg == "for":
			return nil, ""
		default:
			command = append(command, arg)
		}
	}
	return command, until
}

// closing returns where the quote that has begun before i ends.
func closing(script string, i int, quote byte) int {
	for ; i < len(script) && script[i] != quote; i++ {
		if quote == '"' && script[i] == '\\' {
			i++
		} else if quote == '"' && strings.HasPrefix(script[i:], "$(") {
			i = closingParenthesis(script, i+2)
		}
	}
	return min(i, len(script))
}

func closingParenthesis(script string, i int) int {
	for ; i < len(script) && script[i] != ')'; i++ {
		switch {
		case script[i] == '\'' || script[i] == '"':
			i = closing(script, i+1, script[i])
		case strings.HasPrefix(script[i:], "$("):
			i = closingParenthesis(script, i+2)
		}
	}
	return min(i, len(script))
}

func TestShellCommands(t *testing.T) {
	for script, want := range map[string][]shellCommand{
		"make test":                            {{1, []string{"make", "test"}}},
		"# nothing\n\ncd x && go test . # all": {{3, []string{"cd", "x"}}, {3, []string{"go", "test", "."}}},
		"A=1 B='x y' go run ./a":               {{1, []string{"go", "run", "./a"}}},
		"a 'b | c' \"d; e\" f\\ g":             {{1, []string{"a", "b | c", "d; e", "f g"}}},
		"a | b > out 2>&1; c <in &":            {{1, []string{"a"}}, {1, []string{"b"}}, {1, []string{"c"}}},
		"a \\\n  --b\nc":                       {{1, []string{"a", "--b"}}, {3, []string{"c"}}},
		"a |\n  b":                             {{1, []string{"a"}}, {2, []string{"b"}}},
		`a "$(b "c d")" $(e f)`:                {{1, []string{"a", `$(b "c d")`, "$(e f)"}}},
		"a <<'END'\nmake gone\nEND\nb":         {{1, []string{"a"}}, {4, []string{"b"}}},
		"if a; then\n  b\nfi":                  {{1, []string{"a"}}, {2, []string{"b"}}},
		"for x in 1 2; do a; done":             {{1, []string{"a"}}},
	} {
		t.Run(script, func(t *testing.T) {
			require.Equal(t, want, shellCommands(script))
		})
	}
}
