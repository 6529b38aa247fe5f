"""Read the final answer of a completion.

`reading.extract(text, rule)` is pure and total: it never raises for any text, keeps no state (but what it
read last), and takes time linear in the length of the text. Rules and their reasons: docs/extraction.md. The
package itself loads no rule, so that comparing runs, which needs `numbers` alone, starts quickly.
"""
