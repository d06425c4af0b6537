# DeLong oracle with pROC: AUCs, variances, covariance, intervals and the paired test of two scores on the same rows.
# Usage: Rscript delong.R delong_cases.csv delong_expected.csv
suppressMessages(library(pROC))
args <- commandArgs(trailingOnly = TRUE)
cases <- read.csv(args[1])
out <- data.frame()
for (name in unique(cases$case)) {
  d <- cases[cases$case == name, ]
  # levels and direction are fixed: without direction="<" pROC flips a curve below the diagonal
  a <- roc(d$label, d$a, levels = c(0, 1), direction = "<", quiet = TRUE)
  b <- roc(d$label, d$b, levels = c(0, 1), direction = "<", quiet = TRUE)
  interval_a <- suppressWarnings(as.numeric(ci.auc(a, method = "delong")))
  interval_b <- suppressWarnings(as.numeric(ci.auc(b, method = "delong")))
  test <- roc.test(a, b, method = "delong", paired = TRUE)
  out <- rbind(out, data.frame(case = name,
    auc_a = as.numeric(auc(a)), auc_b = as.numeric(auc(b)),
    var_a = as.numeric(var(a, method = "delong")), var_b = as.numeric(var(b, method = "delong")),
    cov = as.numeric(cov(a, b, method = "delong")),
    low_a = interval_a[1], high_a = interval_a[3], low_b = interval_b[1], high_b = interval_b[3],
    z = as.numeric(test$statistic), p = test$p.value,
    low_difference = test$conf.int[1], high_difference = test$conf.int[2]))
}
write.csv(format(out, digits = 15, trim = TRUE), args[2], row.names = FALSE, quote = FALSE)
