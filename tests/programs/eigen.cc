// eigen.cc -- a large source in C++: decompositions of matrices, whole.
#include <Eigen/Dense>

template class Eigen::JacobiSVD<Eigen::MatrixXd>;
template class Eigen::EigenSolver<Eigen::MatrixXd>;
template class Eigen::PartialPivLU<Eigen::MatrixXd>;
