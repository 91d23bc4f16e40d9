# The registry of the program's image, for Fargate and Kubernetes.

resource "aws_ecr_repository" "this" {
  name                 = var.name
  image_tag_mutability = "IMMUTABLE"
  image_scanning_configuration {
    scan_on_push = true
  }
  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = var.kms_key_arn
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  repository = aws_ecr_repository.this.name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "The last ${var.kept} images"
      selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = var.kept }
      action       = { type = "expire" }
    }]
  })
}
