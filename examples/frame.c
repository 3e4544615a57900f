/*
 * frame.c -- a game loop on three arenas, and looped live editing.
 *
 *      permanent   lives as long as the program: the player's input, as it is recorded
 *      level       the game's state, and nothing else: every pointer in it leads into it
 *      frame       one frame's temporary work, handed back by hf_reset at the frame's end
 *
 * While the game runs, one key saves the level and records what the player does from then on. A
 * second key loops: the level goes back to that moment and the recorded input is played again,
 * while the code is edited, so that a change shows in the very situation it was made for. Going
 * back is to open the snapshot: it comes to lie at the same address, its pointers are good as they
 * are, and pages are read when they are touched, however large the level is.
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

/* The code that is edited; a real game loads the library it is in anew. State and code stay apart:
 * no pointer to a function is ever part of the level. */
typedef void bounce(struct ball *);

static void bounce_before(struct ball *ball) { ball->speed = -ball->speed; }
static void bounce_after(struct ball *ball) { ball->speed = -ball->speed / 2; }

struct game {
    hf_arena permanent, level, frame;
    const char *snapshot;
    char *recorded; /* NULL: nothing is */
    size_t length;
};

static void need(hf_status status, const char *what) {
    if (status == HF_OK) return;
    char why[HF_ERROR_TEXT_SIZE];
    hf_error_text(NULL, why, sizeof why);
    fprintf(stderr, "frame: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

/* So no allocation below needs a look at its result. */
static bool give_up(hf_arena *arena, hf_status status, size_t size, void *user) {
    (void)arena, (void)size, (void)user;
    need(status, "allocating");
    return false;
}

static void open_game(struct game *game) {
    hf_arena_options options = {.on_failure = give_up};
    need(hf_arena_open(&game->permanent, &options), "opening an arena");
    need(hf_arena_open(&game->frame, &options), "opening an arena");
#ifdef HF_BASE_FIXED /* where a snapshot can lie again in the program's next run, too */
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
    hf_arena_options options = {.on_failure = give_up};
    hf_arena_close(&game->level);
    need(hf_arena_open_file(&game->level, game->snapshot, HF_COPY_ON_WRITE, &options),
         game->snapshot);
    puts(title);
    for (size_t i = 0; i < game->length; i++) play(game, game->recorded[i], code);
}

/* --help and -h are answered; any other `word` is wrong. Returns the exit status. */
static int usage(const char *word) {
    bool is_help = strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
    fputs("usage: frame SNAPSHOT KEYS\n", is_help ? stdout : stderr);
    return is_help ? EXIT_SUCCESS : 2;
}

int main(int words, char **word) {
    bool is_sound = words == 3 && word[1][0] != '-' && word[2][0] != '-';
    if (!is_sound) return usage(word[words - 1]);
    struct game game = {.snapshot = word[1]};
    open_game(&game);
    for (const char *key = word[2]; *key; key++) {
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
