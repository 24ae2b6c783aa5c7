// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os/exec"
	"syscall"
)

// startChild starts a program that a Ctrl-C at the terminal does not reach, for that is for the benchmark, which then stops it in
// order; but that ends when the benchmark does. Exited gets what its end was.
func startChild(c *exec.Cmd) (exited chan error, err error) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	started := make(chan error, 1)
	exited = make(chan error, 1)
	go func() { // the death signal follows the thread, which this goroutine keeps until the child has ended
		_ = onOwnThread(func() error {
			err := c.Start()
			started <- err
			if err == nil {
				exited <- c.Wait()
			}
			return nil
		})
	}()
	return exited, <-started
}
