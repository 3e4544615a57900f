/*
 * frame.c -- a game loop on three arenas, with looped live editing.
 *
 *      permanent   until the program ends: the recorded input of the player
 *      level       the state of the game, and nothing else: its pointers point into this arena
 *      frame       temporary data of one frame, freed by hf_reset at its end
 *
 * While the game runs, one key saves the level in a file and starts recording the player's input.
 * Another key loops: the game restores the saved level and replays the recorded input, again and
 * again while the code is edited, so that each change shows in the same situation. To restore the
 * level is to open the file as a snapshot: it is mapped at the same address, so its pointers are
 * valid, and pages are read when they are touched, so it takes no longer for a large level.
 *
 *     frame SNAPSHOT KEYS    one key a frame: j throws a ball, . waits; [ records, ] loops
 */
#include <holdfast.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ball {
    struct ball *next;
    int height, speed;
};

struct level {
    struct ball *balls;
    int frames;
};

/* The code that is edited. (A real game would reload the shared library that contains it.) The
 * level has no pointers to functions, which would be invalid after that. */
typedef void bounce(struct ball *);

static void bounce_before(struct ball *ball) { ball->speed = -ball->speed; }
static void bounce_after(struct ball *ball) { ball->speed = -ball->speed / 2; }

struct game {
    hf_arena permanent, level, frame;
    const char *snapshot;
    char *recorded; /* the recorded keys; NULL: not recording */
    size_t length;  /* how many */
};

static void need(hf_status status, const char *what) {
    if (status == HF_OK) return;
    char why[HF_ERROR_TEXT_SIZE];
    hf_error_text(NULL, why, sizeof why);
    fprintf(stderr, "frame: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

/* Called when an allocation fails; exits, so that the results of allocations need no check. */
static bool exit_on_failure(hf_arena *arena, hf_status status, size_t size, void *user) {
    (void)arena, (void)size, (void)user;
    need(status, "allocating");
    return false;
}

static void open_game(struct game *game) {
    hf_arena_options options = {.on_failure = exit_on_failure};
    need(hf_arena_open(&game->permanent, &options), "opening an arena");
    need(hf_arena_open(&game->frame, &options), "opening an arena");
#ifdef HF_BASE_FIXED /* an address that is free in the next run of the program, too */
    options.base = HF_BASE_FIXED;
#endif
    need(hf_arena_open(&game->level, &options), "opening an arena");
    need(hf_arena_set_root(&game->level, hf_new(&game->level, struct level)), "the level");
}

static void throw_ball(hf_arena *arena, struct level *level) {
    struct ball *thrown = hf_new(arena, struct ball);
    *thrown = (struct ball){.next = level->balls, .speed = 9};
    level->balls = thrown;
}

static void move(struct ball *ball, bounce *code) {
    ball->speed -= 1;
    ball->height += ball->speed;
    if (ball->height >= 0) return;
    ball->height = 0;
    code(ball);
}

static const char *draw(hf_arena *frame, const struct level *level) {
    const char *picture = hf_asprintf(frame, "%d:", level->frames);
    for (const struct ball *ball = level->balls; ball; ball = ball->next)
        picture = hf_asprintf(frame, "%s %d", picture, ball->height);
    return picture;
}

static void play(struct game *game, char key, bounce *code) {
    struct level *level = hf_arena_root(&game->level);
    if (key == 'j') throw_ball(&game->level, level);
    for (struct ball *ball = level->balls; ball; ball = ball->next) move(ball, code);
    level->frames++;
    puts(draw(&game->frame, level));
    need(hf_reset(&game->frame), "the frame");
}

static void record(struct game *game, size_t most) {
    puts("recording");
    need(hf_arena_save(&game->level, game->snapshot), game->snapshot);
    game->recorded = hf_new_array(&game->permanent, char, most);
    game->length = 0;
}

static void loop(struct game *game, const char *title, bounce *code) {
    hf_arena_options options = {.on_failure = exit_on_failure};
    hf_arena_close(&game->level);
    need(hf_arena_open_file(&game->level, game->snapshot, HF_COPY_ON_WRITE, &options),
         game->snapshot);
    puts(title);
    for (size_t i = 0; i < game->length; i++) play(game, game->recorded[i], code);
}

/* Prints the usage: on stdout for --help and -h, else on stderr. Returns the exit status. */
static int usage(const char *argument) {
    bool is_help = strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
    fputs("usage: frame SNAPSHOT KEYS\n", is_help ? stdout : stderr);
    return is_help ? EXIT_SUCCESS : 2;
}

int main(int argc, char **argv) {
    bool is_sound = argc == 3 && argv[1][0] != '-' && argv[2][0] != '-';
    if (!is_sound) return usage(argv[argc - 1]);
    struct game game = {.snapshot = argv[1]};
    open_game(&game);
    for (const char *key = argv[2]; *key; key++) {
        if (*key == '[') {
            record(&game, strlen(key));
        } else if (*key == ']' && game.recorded) {
            loop(&game, "looping", bounce_before);
            loop(&game, "looping", bounce_before);
            loop(&game, "looping edited code", bounce_after);
            game.recorded = NULL;
        } else {
            if (game.recorded) game.recorded[game.length++] = *key;
            play(&game, *key, bounce_before);
        }
    }
    hf_arena_close(&game.frame);
    hf_arena_close(&game.level);
    hf_arena_close(&game.permanent);
    return EXIT_SUCCESS;
}
