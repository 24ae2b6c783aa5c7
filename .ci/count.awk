# SPDX-License-Identifier: Apache-2.0
#
# Reads `go test -v`: passes on results, logs and failures, leaves out the lines that only say that a test runs or has
# passed, and ends with the counts. Subtests count as tests.
/^ *=== (RUN|PAUSE|CONT|NAME) / { next }
/^ *--- PASS: / { passed++; next }
/^ *--- FAIL: / { failed++ }
/^ *--- SKIP: / { skipped++ }
/^PASS$/ || /no test files/ { next }
{ print; fflush() }
END { printf "tests: %d passed, %d failed, %d skipped\n", passed, failed, skipped }
