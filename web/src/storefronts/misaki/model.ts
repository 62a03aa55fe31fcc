export function isSandbox(model: string | null | undefined): boolean {
  return model?.startsWith('sandbox-') ?? false
}
