/*
 * The floor of what a terminal over virtio-serial can do: copies bytes between a port and a PTY, with no protocol, no ring and no
 * flow control but the port's own. Runs in a guest:
 *
 *     pty-bridge PORT-NAME COMMAND [ARGUMENT...]
 *
 * Ends when the program does, or when the host closes the port's socket.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char buffer[65536];

/* The device of the port with this name: /sys/class/virtio-ports has a folder for each (virtio_console.c). */
static int open_port(const char *wanted)
{
    DIR *ports = opendir("/sys/class/virtio-ports");
    struct dirent *entry;
    while (ports && (entry = readdir(ports))) {
        char path[512], name[64] = "";
        snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", entry->d_name);
        FILE *file = fopen(path, "r");
        if (!file) continue;
        if (!fgets(name, sizeof name, file)) name[0] = 0;
        fclose(file);
        name[strcspn(name, "\n")] = 0;
        if (strcmp(name, wanted)) continue;
        snprintf(path, sizeof path, "/dev/%s", entry->d_name);
        closedir(ports);
        return open(path, O_RDWR | O_CLOEXEC);
    }
    errno = ENOENT;
    return -1;
}

/* Moves what one read gives. False when either end is gone. */
static int copy(int from, int to)
{
    ssize_t size = read(from, buffer, sizeof buffer), done = 0;
    if (size <= 0) return size < 0 && (errno == EINTR || errno == EAGAIN);
    while (done < size) {
        ssize_t written = write(to, buffer + done, size - done);
        if (written < 0 && errno != EINTR) return 0;
        if (written > 0) done += written;
    }
    return 1;
}

int main(int count, char **words)
{
    struct winsize size = { .ws_row = 24, .ws_col = 80 };
    int port, terminal;
    if (count < 3) return 2;
    if ((port = open_port(words[1])) < 0) {
        perror(words[1]);
        return 1;
    }
    pid_t child = forkpty(&terminal, NULL, NULL, &size);
    if (child < 0) {
        perror("forkpty");
        return 1;
    }
    if (child == 0) {
        execvp(words[2], words + 2);
        _exit(127);
    }
    struct pollfd ends[2] = { { .fd = port, .events = POLLIN }, { .fd = terminal, .events = POLLIN } };
    for (;;) {
        if (poll(ends, 2, -1) < 0 && errno != EINTR) break;
        if ((ends[0].revents & POLLIN) && !copy(port, terminal)) break;
        if ((ends[1].revents & POLLIN) && !copy(terminal, port)) break;
        if ((ends[0].revents | ends[1].revents) & (POLLHUP | POLLERR) && !(ends[1].revents & POLLIN)) break;
    }
    close(terminal);
    waitpid(child, NULL, 0);
    return 0;
}
