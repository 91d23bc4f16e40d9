# PostgreSQL for `grandstand archive`, in two zones. The archive itself runs as a service of the module fargate.

resource "aws_db_subnet_group" "this" {
  name       = "${var.name}-archive"
  subnet_ids = var.subnet_ids
}

resource "aws_db_parameter_group" "this" {
  name   = "${var.name}-archive"
  family = "postgres${var.postgres_version}"
  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }
  parameter {
    name  = "log_min_duration_statement"
    value = "1000"
  }
}

resource "aws_iam_role" "monitoring" {
  name = "${var.name}-archive-monitoring"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "monitoring.rds.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy_attachment" "monitoring" {
  role       = aws_iam_role.monitoring.name
  policy_arn = "arn:${var.partition}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}

resource "aws_db_instance" "this" {
  identifier                    = "${var.name}-archive"
  engine                        = "postgres"
  engine_version                = var.postgres_version
  instance_class                = var.instance_class
  allocated_storage             = var.storage_gb
  max_allocated_storage         = var.storage_gb * 10
  storage_type                  = "gp3"
  storage_encrypted             = true
  kms_key_id                    = var.kms_key_arn
  username                      = "grandstand"
  manage_master_user_password   = true            # unchecked: provider 4.61
  db_name                       = "grandstand"    # unchecked: provider 4.0
  master_user_secret_kms_key_id = var.kms_key_arn # unchecked: provider 4.61
  db_subnet_group_name          = aws_db_subnet_group.this.name
  vpc_security_group_ids        = [var.security_group_id]
  parameter_group_name          = aws_db_parameter_group.this.name
  multi_az                      = true
  publicly_accessible           = false
  backup_retention_period       = 14
  backup_window                 = "03:00-04:00"
  maintenance_window            = "sun:04:30-sun:05:30"
  auto_minor_version_upgrade    = true
  copy_tags_to_snapshot         = true
  deletion_protection           = var.deletion_protection
  final_snapshot_identifier     = "${var.name}-archive-final"

  iam_database_authentication_enabled = true
  enabled_cloudwatch_logs_exports     = ["postgresql", "upgrade"]
  monitoring_interval                 = 60
  monitoring_role_arn                 = aws_iam_role.monitoring.arn
  performance_insights_enabled        = true
  performance_insights_kms_key_id     = var.kms_key_arn
}
