/*
 * test_lexer.c -- the tokens of unusual sources, and that the lexer reads only within the text.
 *
 * Each row is a source and its tokens: a letter for the kind, a colon, the spelling without line
 * splices. Every text is read twice: once it ends where a placeholder begins, once it begins where
 * a placeholder ends, so that reading one byte too many faults.
 */
#include "check.h"

#include "../lexer.h"
#include "holdfast/space.h"

static const char kind_letters[TOKEN_KINDS + 1] = "insc.dhC!";

/* ------------------------------------------------ a page between two that fault ---------- */

static struct {
    hf_space *space;
    size_t page_size;
} fence;

/* Three pages: placeholder, committed, placeholder. */
static void fence_open(void) {
    hf_space *probe;
    CHECK_STATUS(HF_OK, hf_space_open(&probe, HF_ALLOCATION_GRANULARITY, NULL));
    fence.page_size = hf_space_page_size(probe);
    hf_space_close(probe);
    CHECK_STATUS(HF_OK, hf_space_open(&fence.space, 3 * fence.page_size, NULL));
    CHECK_STATUS(HF_OK, hf_space_commit_range(fence.space, fence.page_size, fence.page_size));
}

static void fence_close(void) { hf_space_close(fence.space); }

/* Copies the text to the end or to the beginning of the committed page. */
static const char *fenced(const char *text, size_t size, bool at_the_end) {
    char *memory = hf_space_base(fence.space) + fence.page_size;
    char *copy = memory + (at_the_end ? fence.page_size - size : 0);
    CHECK(size <= fence.page_size);
    memcpy(copy, text, size);
    return copy;
}

/* ------------------------------------------------------------------ the tokens ----------- */

/* Writes the tokens as one line. Checks that they are in order, not empty, and within the text. */
static void spell(const char *text, size_t size, char *line) {
    struct lexer lexer;
    struct token token;
    size_t behind = 0;
    lexer_open(&lexer, text, size);
    for (*line = '\0'; lexer_next(&lexer, &token); line += strlen(line)) {
        char spelling[200];
        CHECK(token.start >= behind && token.size > 0);
        behind = token.start + token.size;
        CHECK(behind <= size && token.size <= sizeof spelling);
        int clean = (int)lexer_clean(&lexer, &token, spelling);
        sprintf(line, "%c:%.*s ", kind_letters[token.kind], clean, spelling);
    }
}

static void check_tokens(const char *text, size_t size, const char *expected) {
    char line[2000];
    for (int at_the_end = 0; at_the_end < 2; at_the_end++) {
        spell(fenced(text, size, at_the_end != 0), size, line);
        bool same = strcmp(line, expected) == 0;
        if (!same)
            printf("source  %.*s\nexpects %s\nand has %s\n", (int)size, text, expected, line);
        CHECK(same);
    }
}

struct row {
    const char *text, *tokens;
};

static void check_rows(const struct row *rows, size_t count) {
    fence_open();
    for (size_t i = 0; i < count; i++)
        check_tokens(rows[i].text, strlen(rows[i].text), rows[i].tokens);
    fence_close();
}

#define CHECK_ROWS(rows) check_rows((rows), sizeof(rows) / sizeof *(rows))

static void words(void) {
    static const struct row rows[] = {
        {"", ""},
        {"a b1\t_c\n$d", "i:a i:b1 i:_c i:$d "},
        {"int main(void){}", "i:int i:main .:( i:void .:) .:{ .:} "},
        {"long\\\nname wi\\\r\nde", "i:longname i:wide "},
        {"a\\\n+b\\\n", "i:a .:+ i:b "},
        {"caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x8E\x88",
         "i:caf\xC3\xA9 i:\xE2\x82\xAC i:\xF0\x9F\x8E\x88 "},
        {"x\\u00e9y \\U0001F388 \\u12", "i:x\\u00e9y i:\\U0001F388 !:\\ i:u12 "},
        {"\xEF\xBB\xBFint", "i:int "},
    };
    CHECK_ROWS(rows);
}

static void numbers(void) {
    static const struct row rows[] = {
        {"0x1F 1.5e-3f 0x1p+4 .5 5.", "n:0x1F n:1.5e-3f n:0x1p+4 n:.5 n:5. "},
        {"1'000'000 1'", "n:1'000'000 n:1 !:' "},
        {"0xE+1 1+2 1..2 12\\\n34", "n:0xE+1 n:1 .:+ n:2 n:1..2 n:1234 "},
        {".\\\n5 .x ...", "n:.5 .:. i:x .:... "},
    };
    CHECK_ROWS(rows);
}

static void literals(void) {
    static const struct row rows[] = {
        {"\"a\\\"b\" \"\" '\\'' 'ab'", "s:\"a\\\"b\" s:\"\" c:'\\'' c:'ab' "},
        {"\"two\\\nlines\" \"\\\\\"x", "s:\"twolines\" s:\"\\\\\" i:x "},
        {"\"esc\\\\\n", "!:\"esc\\ "},
        {"\"a\\\\\\\n\"\"b\"", "s:\"a\\\\\" s:\"b\" "},
        {"\"\\\\\\\n\\\n\"\" 1", "s:\"\\\\\" !:\" 1 "},
        {"L\"w\" u8\"8\" u'c' U\"U\" x\"y\" LL\"z\"",
         "s:L\"w\" s:u8\"8\" c:u'c' s:U\"U\" i:x s:\"y\" i:LL s:\"z\" "},
        {"don't\nb \"open\nc", "i:don !:'t i:b !:\"open i:c "},
        {"\"open", "!:\"open "},
        {"\"\\", "!:\"\\ "},
        {"R\"(a\"b\\)\" u8R\"x()\")x\" R'a'", "s:R\"(a\"b\\)\" s:u8R\"x()\")x\" i:R c:'a' "},
        {"R\"(open\" R\"0123456789abcdefg(\"", "i:R s:\"(open\" i:R s:\"0123456789abcdefg(\" "},
    };
    CHECK_ROWS(rows);
}

static void comments(void) {
    static const struct row rows[] = {
        {"a//b\nc", "i:a C://b i:c "},
        {"a//b\\\nc\nd", "i:a C://bc i:d "},
        {"//b\\\r\nc\r\nd", "C://bc\r i:d "},
        {"/**//*/*/a/ * b", "C:/**/ C:/*/*/ i:a .:/ .:* i:b "},
        {"/\\\n* x *\\\n/ y", "C:/* x */ i:y "},
        {"/\\\n/ x\ny", "C:// x i:y "},
        {"/* open", "C:/* open "},
        {"/*", "C:/* "},
        {"//", "C:// "},
        {"\"/*\" '//'", "s:\"/*\" c:'//' "},
    };
    CHECK_ROWS(rows);
}

static void directives(void) {
    static const struct row rows[] = {
        {"#include <a/b.h> // c\nx < y >", "d:#include h:<a/b.h> C:// c i:x .:< i:y .:> "},
        {"# /**/ define X", "d:# C:/**/ i:define i:X "},
        {"  #  define F(x) #x a##b", "d:#  define i:F .:( i:x .:) .:# i:x i:a .:## i:b "},
        {"/* c */ #if 1\n#\n#endif", "C:/* c */ d:#if n:1 d:# d:#endif "},
        {"#def\\\nine A", "d:#define i:A "},
        {"#include\\\n <x>\n#include <open\n>", "d:#include h:<x> d:#include .:< i:open .:> "},
        {"#myinclude <x>\n#include_next <y>", "d:#myinclude .:< i:x .:> d:#include_next h:<y> "},
        {"%:include <z>\n%:%: a ##", "d:%:include h:<z> .:%:%: i:a .:## "},
        {"a #include <x>", "i:a .:# i:include .:< i:x .:> "},
        {"##", ".:## "},
    };
    CHECK_ROWS(rows);
}

static void punctuators(void) {
    static const struct row rows[] = {
        {"a+++b--->c", "i:a .:++ .:+ i:b .:-- .:-> i:c "},
        {"<<= >>= ... ->* <=> .* :: <: :> <% %>",
         ".:<<= .:>>= .:... .:->* .:<=> .:.* .::: .:<: .::> .:<% .:%> "},
        {"<<<=>>", ".:<< .:<=> .:> "},
        {"+\\\n+ -\\\n", ".:++ .:- "},
        {"..", ".:. .:. "},
        {"x=-1;~y?a:b,!c", "i:x .:= .:- n:1 .:; .:~ i:y .:? i:a .:: i:b .:, .:! i:c "},
        {"&&= ||| ^= %= #", ".:&& .:= .:|| .:| .:^= .:%= .:# "},
    };
    CHECK_ROWS(rows);
}

static void bytes_that_fit_nothing(void) {
    fence_open();
    check_tokens("a\0b", 3, "i:a !: i:b "); /* a NUL prints as nothing */
    check_tokens("@`\\ a", 5, "!:@ !:` !:\\ i:a ");
    check_tokens("\x80\xC3(\xC0\x80\xED\xA0\x80", 8,
                 "!:\x80 !:\xC3 .:( !:\xC0 !:\x80 !:\xED !:\xA0 !:\x80 ");
    check_tokens("\xE0\x80\x80\xF0\x8F\xBF\xBF", 7,
                 "!:\xE0 !:\x80 !:\x80 !:\xF0 !:\x8F !:\xBF !:\xBF ");
    check_tokens("\xF4\x90\x80\x80\xF5\xFF", 6, "!:\xF4 !:\x90 !:\x80 !:\x80 !:\xF5 !:\xFF ");
    check_tokens("\xE2\x82", 2, "!:\xE2 !:\x82 ");
    fence_close();
}

/* ------------------------------------------------------------- any bytes at all ----------- */

/* Every text of up to five of these bytes: tokens are in order, not empty, and within the text. */
static void every_short_text(void) {
    static const char bytes[] = "a1R\"'\\\n/*.#<(\xC3\xA9\r\0 ";
    enum { BYTES = sizeof bytes - 1, LONGEST = 5 };
    size_t texts = 1;
    fence_open();
    for (size_t size = 1; size <= LONGEST; size++) {
        texts *= BYTES;
        for (size_t number = 0; number < texts; number++) {
            char text[LONGEST], line[200];
            for (size_t i = 0, rest = number; i < size; i++, rest /= BYTES)
                text[i] = bytes[rest % BYTES];
            spell(fenced(text, size, true), size, line);
        }
    }
    fence_close();
}

CHECK_MAIN(TEST(words), TEST(numbers), TEST(literals), TEST(comments), TEST(directives),
           TEST(punctuators), TEST(bytes_that_fit_nothing), TEST(every_short_text))
