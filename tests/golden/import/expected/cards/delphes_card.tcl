set ExecutionPath {
}
