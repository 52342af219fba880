package process

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"workbench/harness/load"
)

// strangerVar makes the test binary a server that is not ours, of one kind or
// another.
const strangerVar = "WORKBENCH_TEST_STRANGER"

// stranger is the command of such a server. exec has the shell become it.
func stranger(role string) string {
	return fmt.Sprintf("%s=%s exec '%s' {port}", strangerVar, role, os.Args[0])
}

// beStranger plays a role; args are the port, where there is one.
func beStranger(role string, args []string) (code int) {
	switch role {
	case "luckless": // exits at once
		fmt.Fprintln(os.Stderr, "starting\nno luck today")
		return 3
	case "silent": // never listens
		fmt.Println("thinking")
		select {}
	case "mute": // accepts, and answers nothing
		return serveInOtherWords(args[0], "")
	case "rude": // answers something else
		return serveInOtherWords(args[0], "SSH-2.0-rude\r\n")
	case "worker": // burns CPU as told, a line each, and says when it is done
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); fmt.Println("done") {
			burn(lines.Text())
		}
		return 0
	case "burner": // burns CPU once
		burn(args[0])
		return 0
	case "daemon", "forgetful": // leaves its server in the background
		server := again("plain", args[0])
		server.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if role == "forgetful" { // and that one knows nothing of who started it
			server.Env = []string{strangerVar + "=plain"}
		}
		if err := server.Start(); err != nil {
			return 1
		}
		return 0
	case "deaf": // doesn't end when it is asked to
		signal.Ignore(syscall.SIGTERM)
	}
	return serveStrangely(args[0])
}

// again is this program in another role.
func again(role string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), strangerVar+"="+role)
	return cmd
}

// burn uses CPU for so many milliseconds.
func burn(ms string) {
	n, _ := strconv.Atoi(ms)
	for enough := load.ProcessCPU() + time.Duration(n)*time.Millisecond; load.ProcessCPU() < enough; {
	}
}

// serveStrangely answers with the numbers of its processes: its own and that
// of a worker. On request the worker burns CPU, or a child made for it.
func serveStrangely(port string) int {
	worker := again("worker")
	in, err := worker.StdinPipe()
	if err != nil {
		return 1
	}
	out, err := worker.StdoutPipe()
	if err != nil {
		return 1
	}
	if err := worker.Start(); err != nil {
		return 1
	}
	done := bufio.NewScanner(out)
	var restless atomic.Bool
	err = http.ListenAndServe("127.0.0.1:"+port, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch q := r.URL.Query(); {
		case q.Has("worker"):
			fmt.Fprintln(in, q.Get("worker"))
			done.Scan()
		case q.Has("child"):
			if err := again("burner", q.Get("child")).Run(); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		case q.Has("restless"): // until it is to be calm
			restless.Store(true)
			go func() {
				for restless.Load() {
				}
			}()
		case q.Has("calm"):
			restless.Store(false)
		}
		fmt.Fprintln(w, os.Getpid(), worker.Process.Pid)
	}))
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// serveInOtherWords greets in another protocol, or not at all.
func serveInOtherWords(port, greeting string) int {
	ln, err := listen(port)
	if err != nil {
		return 1
	}
	mute := map[net.Conn]bool{} // else the collector would close them
	for {
		nc, err := ln.Accept()
		if err != nil {
			return 1
		}
		mute[nc] = true
		if _, _ = nc.Write([]byte(greeting)); greeting != "" {
			_ = nc.Close()
		}
	}
}

// pids reads the numbers that a stranger answers with.
func pids(answer string) (list []int) {
	for _, f := range strings.Fields(answer) {
		n, _ := strconv.Atoi(f)
		list = append(list, n)
	}
	return list
}

func listen(port string) (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:"+port) }
