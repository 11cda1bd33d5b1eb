// SPDX-License-Identifier: Apache-2.0
/* The first process of a pid namespace: it does nothing but take up the children that others leave behind. One of the
 * node (machine.py), and of every pod (images.py): there it has Kubernetes' name for it.
 */
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>

int main(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (;;) {
        int sig = 0;
        sigwait(&all, &sig);
        if (sig == SIGTERM || sig == SIGINT)
            return 0;
        while (sig == SIGCHLD && waitpid(-1, NULL, WNOHANG) > 0)
            continue;
    }
}
