/** The shorter side of a photo that was made smaller: twice what anybody is shown. */
const side = 1024

/** A picture that is too large for the server as a JPEG that is not; null if this browser cannot read it. */
export async function smallerPhoto(file: Blob): Promise<Blob | null> {
  const picture = await createImageBitmap(file).catch(() => null)
  const canvas = document.createElement('canvas')
  const pen = canvas.getContext('2d')
  if (!picture || !pen) return null
  const scale = Math.min(1, side / Math.min(picture.width, picture.height))
  canvas.width = Math.round(picture.width * scale)
  canvas.height = Math.round(picture.height * scale)
  pen.fillStyle = 'white' // behind what is transparent
  pen.fillRect(0, 0, canvas.width, canvas.height)
  pen.imageSmoothingQuality = 'high'
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height)
  picture.close()
  return new Promise((done) => canvas.toBlob(done, 'image/jpeg', 0.9))
}
