/* main.c -- the program into which the libraries of LLVM are linked. */
int main(void) { return 0; }
