/* The floor of hooks: what the system itself takes to run programs, and to answer over a socket.
 *
 *   floor spawn ROUNDS PARALLEL PROGRAM...   start so many at once and wait for all; microseconds per round
 *   floor pipe ROUNDS BYTES PROGRAM...       give a program so many bytes, read what it prints, wait for it
 *   floor serve                              a web server that answers {} to everything; prints its port
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int spawn(int rounds, int parallel, char **program) {
    double began = now();
    for (int round = 0; round < rounds; round++) {
        pid_t pid;
        for (int i = 0; i < parallel; i++)
            if (posix_spawnp(&pid, program[0], NULL, NULL, program, environ)) return 3;
        for (int i = 0; i < parallel; i++)
            if (wait(NULL) < 0) return 3;
    }
    printf("%.1f\n", (now() - began) / rounds);
    return 0;
}

static int one_pipe(size_t bytes, const char *given, char *room, size_t room_size, char **program) {
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC)) return 3;
    posix_spawn_file_actions_t moves;
    posix_spawn_file_actions_init(&moves);
    posix_spawn_file_actions_adddup2(&moves, in[0], 0);
    posix_spawn_file_actions_adddup2(&moves, out[1], 1);
    pid_t pid;
    if (posix_spawnp(&pid, program[0], &moves, NULL, program, environ)) return 3;
    posix_spawn_file_actions_destroy(&moves);
    close(in[0]);
    close(out[1]);
    fcntl(in[1], F_SETFL, O_NONBLOCK);
    size_t sent = 0;
    for (;;) {
        struct pollfd ends[2] = {{out[0], POLLIN, 0}, {sent < bytes ? in[1] : -1, POLLOUT, 0}};
        poll(ends, 2, -1);
        if (ends[1].revents) {
            ssize_t n = write(in[1], given + sent, bytes - sent);
            sent = n < 0 ? bytes : sent + n;
            if (sent >= bytes) close(in[1]);
        }
        if (ends[0].revents && read(out[0], room, room_size) <= 0) break;
    }
    close(out[0]);
    return waitpid(pid, NULL, 0) < 0 ? 3 : 0;
}

static int pipes(int rounds, size_t bytes, char **program) {
    char *given = malloc(bytes), *room = malloc(1 << 18);
    memset(given, 'x', bytes);
    signal(SIGPIPE, SIG_IGN);
    double began = now();
    for (int round = 0; round < rounds; round++)
        if (one_pipe(bytes, given, room, 1 << 18, program)) return 3;
    printf("%.1f\n", (now() - began) / rounds);
    return 0;
}

enum { MOST = 64, ROOM = 1 << 16 };

static int serve(void) {
    static char texts[MOST][ROOM];
    static size_t sizes[MOST];
    struct pollfd ends[MOST];
    const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof where;
    int count = 1, door = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(door, (struct sockaddr *)&where, sizeof where) || listen(door, MOST)) return 3;
    getsockname(door, (struct sockaddr *)&where, &size);
    printf("%d\n", ntohs(where.sin_port));
    fflush(stdout);
    ends[0] = (struct pollfd){door, POLLIN, 0};
    for (;;) {
        poll(ends, count, -1);
        for (int i = count - 1; i > 0; i--) {
            if (!ends[i].revents) continue;
            ssize_t n = read(ends[i].fd, texts[i] + sizes[i], ROOM - 1 - sizes[i]);
            if (n <= 0) {
                close(ends[i].fd);
                count--;
                ends[i] = ends[count];
                sizes[i] = sizes[count];
                memcpy(texts[i], texts[count], sizes[count]);
                continue;
            }
            sizes[i] += n;
            texts[i][sizes[i]] = 0;
            char *end = strstr(texts[i], "\r\n\r\n"), *length = strcasestr(texts[i], "content-length:");
            if (!end || !length || sizes[i] < (size_t)(end + 4 - texts[i]) + strtoul(length + 15, NULL, 10)) continue;
            sizes[i] = 0;
            if (write(ends[i].fd, answer, sizeof answer - 1) < 0) return 3;
        }
        if (ends[0].revents && count < MOST) {
            ends[count] = (struct pollfd){accept(door, NULL, NULL), POLLIN, 0};
            sizes[count++] = 0;
        }
    }
}

int main(int count, char **words) {
    if (count > 4 && !strcmp(words[1], "spawn")) return spawn(atoi(words[2]), atoi(words[3]), words + 4);
    if (count > 4 && !strcmp(words[1], "pipe")) return pipes(atoi(words[2]), strtoul(words[3], NULL, 10), words + 4);
    if (count > 1 && !strcmp(words[1], "serve")) return serve();
    return 2;
}
