variable "name" {
  description = "Name of the repository."
  type        = string
}

variable "kms_key_arn" {
  description = "Key of the images."
  type        = string
}

variable "kept" {
  description = "How many images are kept."
  type        = number
  default     = 30
}
