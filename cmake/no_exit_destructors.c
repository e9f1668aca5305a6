/* Stands in for __cxa_atexit in third-party objects whose static C++ objects must outlive exit().
 *
 * A process may end, by exit() or process.exit(), while a node runs: its I/O thread goes on until the very end, and
 * nothing waits for it. simdjson keeps its implementations in function-local statics; destroyed at exit they would be
 * called by that thread all the same
 * ("pure virtual method called"). So their destructors are not registered: the memory goes with the process. */

int noex_never_at_exit(void (*destructor)(void*), void* object, void* library) {
  (void)destructor;
  (void)object;
  (void)library;
  return 0;
}
